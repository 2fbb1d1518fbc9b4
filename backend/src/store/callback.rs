//! Callbacks as the store keeps them: which are due, and what became of each attempt. Where
//! they go and what they say stands in the sealed answer of their job.

use std::time::Duration;

use time::OffsetDateTime;

use super::error::StoreError;
use quhao_common::domain::{
    answer::StoredAnswer,
    app::{AppId, ClientName},
    callback_status::CallbackStatus,
    callback_target::CallbackEvent,
    id::JobKey,
};

/// The number of a status in the databases.
pub(super) fn status_number(status: CallbackStatus) -> i16 {
    match status {
        CallbackStatus::Due => 0,
        CallbackStatus::Delivered => 1,
        CallbackStatus::Failed => 2,
        CallbackStatus::Cancelled => 3,
    }
}

pub(super) fn status_of_number(number: i16) -> Result<CallbackStatus, StoreError> {
    let status = CallbackStatus::ALL.into_iter().find(|status| status_number(*status) == number);
    status.ok_or(StoreError::Form("callbacks.state is none of those known"))
}

/// The number of an event in the databases: that of the answer's status.
pub(super) fn event_number(event: CallbackEvent) -> i16 {
    match event {
        CallbackEvent::Failed => 1,
        CallbackEvent::Succeeded => 2,
    }
}

/// Which callback a row is: its job, its event and its owner.
pub(super) type Identity = (JobKey, CallbackEvent, ClientName, AppId);

/// The same as the databases keep it.
pub(super) type IdentityRow = (Vec<u8>, i16, String, String);

pub(super) fn identity((key, event, client, app): IdentityRow) -> Result<Identity, StoreError> {
    let key = key.try_into().map_err(|_| StoreError::Form("callbacks.key is not 16 bytes"))?;
    let name = |_| StoreError::Form("callbacks has a client or an app of no such name");
    Ok((
        JobKey::from_bytes(key),
        event_of_number(event)?,
        ClientName::new(&client).map_err(name)?,
        AppId::new(&app).map_err(name)?,
    ))
}

pub(super) fn attempts(number: i32) -> Result<u32, StoreError> {
    number.try_into().map_err(|_| StoreError::Form("callbacks.attempts is below zero"))
}

pub(super) fn http_status(number: Option<i32>) -> Result<Option<u16>, StoreError> {
    let status = number.map(u16::try_from).transpose();
    status.map_err(|_| StoreError::Form("callbacks.last_status is no HTTP status"))
}

fn event_of_number(number: i16) -> Result<CallbackEvent, StoreError> {
    let event = [CallbackEvent::Failed, CallbackEvent::Succeeded]
        .into_iter()
        .find(|event| event_number(*event) == number);
    event.ok_or(StoreError::Form("callbacks.event is none of those known"))
}

/// What to claim.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// At most so many.
    pub max: u32,
    /// How long nobody else may claim them: longer than an attempt can take. Who dies with
    /// a claim delays the callback by this, and loses nothing.
    pub lease: Duration,
    /// Clients whose receivers keep this process busy enough.
    pub except: &'a [ClientName],
}

/// A claimed callback. The attempt counts already.
#[derive(Debug, Clone)]
pub struct DueCallback {
    /// The job.
    pub key: JobKey,
    /// Which word of it.
    pub event: CallbackEvent,
    /// Whose it is.
    pub client: ClientName,
    /// For which app.
    pub app: AppId,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// When it became due first: its time limit runs from here.
    pub created_at: OffsetDateTime,
    /// The job's answer, with the address.
    pub answer: StoredAnswer,
}

/// What became of a claimed callback.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// The job.
    pub key: JobKey,
    /// Which word of it.
    pub event: CallbackEvent,
    /// The claim's [`DueCallback::attempt`]: a record that comes after the next claim does
    /// not count.
    pub attempt: u32,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// Why it did not count, from a closed list.
    pub error: Option<&'static str>,
    /// What follows.
    pub end: AttemptEnd,
    /// When it ended.
    pub at: OffsetDateTime,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// Nothing: the receiver has it.
    Delivered,
    /// Another attempt, then.
    Again {
        /// When.
        due_at: OffsetDateTime,
    },
    /// Nothing: it is given up.
    Failed,
}

/// Which callbacks an operator means.
#[derive(Debug, Clone, Default)]
pub struct CallbackFilter {
    /// Those of this job.
    pub key: Option<JobKey>,
    /// Those of this app.
    pub app: Option<AppId>,
    /// Those that stand like this.
    pub status: Option<CallbackStatus>,
    /// At most so many, the newest first.
    pub max: u32,
}
