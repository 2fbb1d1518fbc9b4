//! Erasure: what is erased, and what is recorded so that nothing in flight brings it back.

use time::OffsetDateTime;

use super::{columns::job_key, error::StoreError};
use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{app::AppId, client::ClientName, id::JobKey},
};

/// The erasure of one job's answer, whether or not there is one yet.
#[derive(Debug, Clone)]
pub struct Tombstone {
    /// The job.
    pub key: JobKey,
    /// The client that owns it.
    pub client: ClientName,
    /// The job's app.
    pub app: AppId,
    /// When the erasure was asked for.
    pub erased_at: OffsetDateTime,
    /// How long a late outcome is kept out, unless a row for the job says longer.
    pub purge_at: OffsetDateTime,
}

/// The erasure of everything about a person.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// The client whose guest the person is.
    pub client: ClientName,
    /// The app.
    pub app: AppId,
    /// The person's ids at the platform.
    pub openids: Vec<String>,
    /// The keyed hashes of the person's phone number, under every accepted key.
    pub phone_hashes: Vec<KeyedHash>,
    /// What keeps outcomes of earlier jobs out: keyed hashes of the openids and of the phone
    /// number, under every accepted key.
    pub subjects: Vec<KeyedHash>,
    /// When the erasure was asked for. It does not concern jobs that were created later.
    pub erased_at: OffsetDateTime,
    /// How long outcomes of earlier jobs are kept out.
    pub purge_at: OffsetDateTime,
}

/// The erasure of everything of an app, one part at a time.
#[derive(Debug, Clone)]
pub struct AppErasure {
    /// The app, whichever client owns it.
    pub app: AppId,
    /// When the erasure was asked for.
    pub erased_at: OffsetDateTime,
    /// How long outcomes of earlier jobs are kept out.
    pub purge_at: OffsetDateTime,
    /// Where the last part ended; `None` for the first.
    pub after: Option<AppCursor>,
}

/// Where a part of an app's erasure ended, and the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppCursor {
    /// After this session; the answers follow.
    Session {
        /// The client.
        client: String,
        /// The app.
        app: String,
        /// The guest.
        openid: String,
    },
    /// After all sessions and this job; `None` is before the first job.
    Job(Option<JobKey>),
}

impl AppCursor {
    /// Returns the cursor before everything.
    pub(super) fn first() -> Self {
        Self::Session { client: String::new(), app: String::new(), openid: String::new() }
    }
}

/// The subject that stands for a whole app.
pub(super) const WHOLE_APP: KeyedHash = [0; 16];

/// The most rows that one part of an app's erasure scans.
pub(super) const APP_PART_ROWS_MAX: u32 = 1000;

/// The most guests of one phone number. Families share one; beyond this it is a switchboard's.
pub const GUESTS_OF_PHONE_MAX: u32 = 1000;

/// How much was erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    /// Answers.
    pub answers: u64,
    /// Sessions.
    pub sessions: u64,
}

/// How much of an app one part erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppErased {
    /// How much.
    pub erased: Erased,
    /// Where the next part goes on; `None` if everything is erased.
    pub next: Option<AppCursor>,
}

/// The record that keeps outcomes of earlier jobs out.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErasureRecord<'a> {
    pub(super) app: &'a AppId,
    pub(super) subjects: &'a [KeyedHash],
    pub(super) erased_at: OffsetDateTime,
    pub(super) purge_at: OffsetDateTime,
}

impl Erasure {
    /// Returns the record that keeps the person's earlier jobs out.
    pub(super) fn record(&self) -> ErasureRecord<'_> {
        ErasureRecord {
            app: &self.app,
            subjects: &self.subjects,
            erased_at: self.erased_at,
            purge_at: self.purge_at,
        }
    }
}

impl AppErasure {
    /// Returns the record that keeps the app's earlier jobs out.
    pub(super) fn record(&self) -> ErasureRecord<'_> {
        ErasureRecord {
            app: &self.app,
            subjects: &[WHOLE_APP],
            erased_at: self.erased_at,
            purge_at: self.purge_at,
        }
    }
}

/// The primary key of a session.
#[derive(Debug, Clone)]
pub(super) struct SessionKeyRow {
    pub(super) client: String,
    pub(super) app: String,
    pub(super) openid: String,
}

/// A scanned row of table `jobs`.
#[derive(Debug)]
pub(super) struct ScannedJobRow {
    pub(super) key: Vec<u8>,
    /// Whether the erasure concerns it.
    pub(super) matches: bool,
}

/// What a part of an app's erasure did: the last row that it scanned, if there may be more,
/// and how many rows it erased.
pub(super) struct Part<T> {
    last: Option<T>,
    erased: u64,
}

impl<T> Part<T> {
    /// Returns the part that scanned these rows.
    pub(super) fn of(scanned: Vec<T>, erased: u64) -> Self {
        let is_full = scanned.len() == APP_PART_ROWS_MAX as usize;
        let last = if is_full { scanned.into_iter().last() } else { None };
        Self { last, erased }
    }
}

impl Part<SessionKeyRow> {
    /// Returns what the part erased. Answers follow the last session.
    pub(super) fn into_erased(self) -> AppErased {
        let next = match self.last {
            Some(SessionKeyRow { client, app, openid }) => {
                AppCursor::Session { client, app, openid }
            }
            None => AppCursor::Job(None),
        };
        AppErased { erased: Erased { answers: 0, sessions: self.erased }, next: Some(next) }
    }
}

impl Part<ScannedJobRow> {
    /// Returns what the part erased. Nothing follows the last answer.
    pub(super) fn into_erased(self) -> Result<AppErased, StoreError> {
        let next = match self.last {
            Some(row) => Some(AppCursor::Job(Some(job_key(row.key)?))),
            None => None,
        };
        Ok(AppErased { erased: Erased { answers: self.erased, sessions: 0 }, next })
    }
}
