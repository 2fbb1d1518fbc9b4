//! The state of a callback, as its job's owner and operators see it.

use time::OffsetDateTime;

use crate::{
    closed_set::closed_set,
    domain::{app::AppId, callback_target::CallbackEvent, client::ClientName, id::JobKey},
};

closed_set! {
    /// The state of a callback. Its names are part of the API and of the command line.
    pub enum CallbackStatus {
        /// An attempt is due, now or later, or under way.
        Due = "due",
        /// The receiver has it.
        Delivered = "delivered",
        /// Time or attempts ran out, or the receiver wants no more.
        Failed = "failed",
        /// A later result, or an erasure, replaced it before it was sent.
        Cancelled = "cancelled",
    }
}

/// A callback without its content.
#[derive(Debug, Clone)]
pub struct CallbackState {
    /// The job.
    pub key: JobKey,
    /// Its event.
    pub event: CallbackEvent,
    /// The client that owns the job.
    pub client: ClientName,
    /// The app that the job is for.
    pub app: AppId,
    /// Its state.
    pub status: CallbackStatus,
    /// The number of attempts that were begun.
    pub attempts: u32,
    /// When the next attempt is due; `None`: there will be none.
    pub due_at: Option<OffsetDateTime>,
    /// When it first became due, or when an operator requested another attempt.
    pub created_at: OffsetDateTime,
    /// The HTTP status of the last answer; `None`: none came.
    pub last_status: Option<u16>,
    /// Why the last attempt failed, from a closed list.
    pub last_error: Option<String>,
    /// When it was delivered, failed or was cancelled; `None` before.
    pub finished_at: Option<OffsetDateTime>,
}
