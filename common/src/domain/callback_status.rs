//! How a callback stands, as its job's owner and operators see it.

use serde::Serialize;
use time::OffsetDateTime;

use super::{
    app::{AppId, ClientName},
    callback_target::CallbackEvent,
    id::JobKey,
};

/// How a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackStatus {
    /// An attempt is due, now or later, or under way.
    Due,
    /// The receiver has it.
    Delivered,
    /// Time or attempts ran out, or the receiver wants no more.
    Failed,
    /// A later result, or an erasure, took its place before it was sent.
    Cancelled,
}

impl CallbackStatus {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Due, Self::Delivered, Self::Failed, Self::Cancelled];

    /// Its name in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A callback without what it says.
#[derive(Debug, Clone)]
pub struct CallbackState {
    /// The job.
    pub key: JobKey,
    /// Which word of it.
    pub event: CallbackEvent,
    /// Whose it is.
    pub client: ClientName,
    /// For which app.
    pub app: AppId,
    /// How it stands.
    pub status: CallbackStatus,
    /// Attempts that were begun.
    pub attempts: u32,
    /// When the next attempt is due; `None` when there will be none.
    pub due_at: Option<OffsetDateTime>,
    /// When it became due first, or when an operator had it tried again.
    pub created_at: OffsetDateTime,
    /// The HTTP status of the last answer; `None` when none came.
    pub last_status: Option<u16>,
    /// Why the last attempt did not count, from a closed list.
    pub last_error: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<OffsetDateTime>,
}
