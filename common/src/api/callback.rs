//! The state of a callback, as the job's owner sees it.

use serde::Serialize;
use utoipa::ToSchema;

use super::timestamp::Timestamp;
use crate::domain::callback_status::{CallbackState, CallbackStatus};

/// The state of a job's callback.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Callback)]
pub struct CallbackObject {
    /// Its state.
    #[schema(value_type = CallbackStatusName)]
    status: CallbackStatus,
    /// The number of attempts so far.
    attempts: u32,
    /// When the next attempt is due; null when there will be none.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    next_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer; null when none came.
    #[schema(required = true)]
    last_status: Option<u16>,
    /// Why the last attempt failed, for programs; null when it did not.
    #[schema(required = true)]
    last_error: Option<String>,
    /// When it was delivered, failed or was cancelled; null before.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
}

/// The states of a callback.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CallbackStatus)]
pub enum CallbackStatusName {
    /// An attempt is due or under way.
    Due,
    /// The receiver has it.
    Delivered,
    /// Time or attempts ran out, or the receiver wants no more (410).
    Failed,
    /// A later result, or an erasure, replaced it before it was sent.
    Cancelled,
}

impl From<&CallbackState> for CallbackObject {
    fn from(state: &CallbackState) -> Self {
        Self {
            status: state.status,
            attempts: state.attempts,
            next_attempt_at: state.due_at.map(Timestamp),
            last_status: state.last_status,
            last_error: state.last_error.clone(),
            finished_at: state.finished_at.map(Timestamp),
        }
    }
}
