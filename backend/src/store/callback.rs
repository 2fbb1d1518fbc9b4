//! Callbacks as the store keeps them: which are due, and the result of each attempt. Where an
//! event goes and what it says is in the sealed answer of its job.

use std::time::Duration;

use time::OffsetDateTime;

use quhao_common::domain::{
    answer::StoredAnswer, app::AppId, callback_status::CallbackStatus,
    callback_target::CallbackEvent, client::ClientName, id::JobKey,
};

/// What to claim.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The most callbacks to claim.
    pub max: u32,
    /// How long nobody else may claim them: longer than an attempt can take. A process that
    /// ends with a claim delays the callback by this, and loses nothing.
    pub lease: Duration,
    /// The clients whose receivers keep this process busy enough.
    pub except: &'a [ClientName],
}

/// A claimed callback. The attempt counts already.
#[derive(Debug, Clone)]
pub struct DueCallback {
    /// The job.
    pub key: JobKey,
    /// The event to send.
    pub event: CallbackEvent,
    /// The client that owns the job.
    pub client: ClientName,
    /// The job's app.
    pub app: AppId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// When it became due first; its time limit runs from here.
    pub created_at: OffsetDateTime,
    /// The job's answer, with the address to send to.
    pub answer: StoredAnswer,
}

/// The result of an attempt at a claimed callback.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// The job.
    pub key: JobKey,
    /// The event that was sent.
    pub event: CallbackEvent,
    /// The claim's [`DueCallback::attempt`]: a result that is recorded after the next claim
    /// does not count.
    pub attempt: u32,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Why the attempt failed, from a closed list.
    pub error: Option<&'static str>,
    /// What follows.
    pub end: AttemptEnd,
    /// When it ended.
    pub at: OffsetDateTime,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Nothing: the receiver has the event.
    Delivered,
    /// Another attempt.
    Again {
        /// When it is due.
        due_at: OffsetDateTime,
    },
    /// Nothing: the callback is given up.
    Failed,
}

/// Which callbacks an operator means.
#[derive(Debug, Clone, Default)]
pub struct CallbackFilter {
    /// Only those of this job.
    pub key: Option<JobKey>,
    /// Only those of this app.
    pub app: Option<AppId>,
    /// Only those with this status.
    pub status: Option<CallbackStatus>,
    /// The most callbacks, the newest first.
    pub max: u32,
}

/// What a filter finds callbacks by. Each has an index, and a statement that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// By the job.
    Job,
    /// By the failed ones.
    Failed,
    /// By their time.
    Time,
}

impl CallbackFilter {
    /// Returns what to find the callbacks by.
    pub(super) fn lookup(&self) -> Lookup {
        match (self.key, self.status) {
            (Some(_), _) => Lookup::Job,
            (None, Some(CallbackStatus::Failed)) => Lookup::Failed,
            (None, _) => Lookup::Time,
        }
    }
}
