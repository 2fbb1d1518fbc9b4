//! Callbacks as the databases keep them.

use time::OffsetDateTime;

use super::{
    answer_row::{AnswerRow, FAILED, SUCCEEDED},
    callback::{AttemptEnd, Attempted, DueCallback},
    columns::job_key,
    error::StoreError,
};
use quhao_common::domain::{
    app::AppId,
    callback_status::{CallbackState, CallbackStatus},
    callback_target::CallbackEvent,
    client::ClientName,
    id::JobKey,
};

/// Returns the number that stands for a status in the databases.
pub(super) fn status_number(status: CallbackStatus) -> i16 {
    match status {
        CallbackStatus::Due => 0,
        CallbackStatus::Delivered => 1,
        CallbackStatus::Failed => 2,
        CallbackStatus::Cancelled => 3,
    }
}

fn status_of_number(number: i16) -> Result<CallbackStatus, StoreError> {
    let mut all = CallbackStatus::ALL.iter().copied();
    let status = all.find(|status| status_number(*status) == number);
    status.ok_or(StoreError::Form("callbacks.state is none of those known"))
}

/// Returns the number that stands for an event in the databases: that of the answer's status.
pub(super) fn event_number(event: CallbackEvent) -> i16 {
    match event {
        CallbackEvent::Failed => FAILED,
        CallbackEvent::Succeeded => SUCCEEDED,
    }
}

fn event_of_number(number: i16) -> Result<CallbackEvent, StoreError> {
    match number {
        FAILED => Ok(CallbackEvent::Failed),
        SUCCEEDED => Ok(CallbackEvent::Succeeded),
        _ => Err(StoreError::Form("callbacks.event is none of those known")),
    }
}

/// The columns of table `callbacks` that say which callback a row is.
#[derive(Debug)]
pub(super) struct CallbackKeyRow {
    pub(super) key: Vec<u8>,
    pub(super) event: i16,
    pub(super) client: String,
    pub(super) app: String,
}

/// Which callback a row is.
struct CallbackKey {
    key: JobKey,
    event: CallbackEvent,
    client: ClientName,
    app: AppId,
}

impl CallbackKeyRow {
    fn read(self) -> Result<CallbackKey, StoreError> {
        let name = |_| StoreError::Form("callbacks has a client or an app of no such name");
        Ok(CallbackKey {
            key: job_key(self.key)?,
            event: event_of_number(self.event)?,
            client: ClientName::new(&self.client).map_err(name)?,
            app: AppId::new(&self.app).map_err(name)?,
        })
    }
}

/// A row of table `callbacks`.
#[derive(Debug)]
pub(super) struct CallbackRow {
    pub(super) callback: CallbackKeyRow,
    pub(super) state: i16,
    pub(super) attempts: i32,
    pub(super) due_at: OffsetDateTime,
    pub(super) created_at: OffsetDateTime,
    pub(super) last_status: Option<i32>,
    pub(super) last_error: Option<String>,
    pub(super) finished_at: Option<OffsetDateTime>,
}

impl CallbackRow {
    /// Reads the state of the callback.
    pub(super) fn into_state(self) -> Result<CallbackState, StoreError> {
        let CallbackKey { key, event, client, app } = self.callback.read()?;
        let status = status_of_number(self.state)?;
        Ok(CallbackState {
            key,
            event,
            client,
            app,
            status,
            attempts: attempts(self.attempts)?,
            due_at: (status == CallbackStatus::Due).then_some(self.due_at),
            created_at: self.created_at,
            last_status: http_status(self.last_status)?,
            last_error: self.last_error,
            finished_at: self.finished_at,
        })
    }
}

/// A claimed row of table `callbacks`, with the answer of its job.
#[derive(Debug)]
pub(super) struct ClaimedRow {
    pub(super) callback: CallbackKeyRow,
    pub(super) attempts: i32,
    /// When the callback became due first.
    pub(super) due_since: OffsetDateTime,
    pub(super) answer: AnswerRow,
}

impl ClaimedRow {
    /// Reads the claimed callback.
    pub(super) fn into_due(self) -> Result<DueCallback, StoreError> {
        let answer = self.answer.into_answer()?;
        let CallbackKey { key, event, client, app } = self.callback.read()?;
        Ok(DueCallback {
            key,
            event,
            client,
            app,
            attempt: attempts(self.attempts)?,
            created_at: self.due_since,
            answer,
        })
    }
}

fn attempts(number: i32) -> Result<u32, StoreError> {
    number.try_into().map_err(|_| StoreError::Form("callbacks.attempts is below zero"))
}

fn http_status(number: Option<i32>) -> Result<Option<u16>, StoreError> {
    let status = number.map(u16::try_from).transpose();
    status.map_err(|_| StoreError::Form("callbacks.last_status is no HTTP status"))
}

/// The columns of table `callbacks` that the result of an attempt changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttemptRow {
    pub(super) state: i16,
    /// When the next attempt is due, if there is one.
    pub(super) due_at: Option<OffsetDateTime>,
    /// When the callback came to its end, if it did.
    pub(super) finished_at: Option<OffsetDateTime>,
}

impl AttemptRow {
    /// Returns what the result of an attempt changes.
    pub(super) fn of(attempted: &Attempted) -> Self {
        let (status, due_at) = match attempted.end {
            AttemptEnd::Delivered => (CallbackStatus::Delivered, None),
            AttemptEnd::Again { due_at } => (CallbackStatus::Due, Some(due_at)),
            AttemptEnd::Failed => (CallbackStatus::Failed, None),
        };
        let finished_at = if due_at.is_none() { Some(attempted.at) } else { None };
        Self { state: status_number(status), due_at, finished_at }
    }
}
