//! The store seam: results, sessions, callbacks and erasures.
//!
//! The contract, which one suite checks against every member:
//!
//! - [`Store::finish`] is one transaction: all of a batch or none of it.
//! - Answers improve only: succeeded over failed over none; of two failures the first
//!   stays, but for [`crate::failure::FailureCode::replaces`]. Inside a batch too.
//! - That a deadline passed holds for copies of the job with that deadline or an earlier
//!   one ([`Holds`]), until a copy with a later one has failed, too.
//! - Erased is over all of them: the outcome of a job that was created before its person
//!   or app was erased is kept as the fact alone, its session not at all.
//! - A callback is due from the commit that wrote its answer; a success cancels word of a
//!   failure that was not sent yet.
//! - A session keeps its current and its previous key, ordered by the time of the
//!   exchange; the keys shift only when they differ.
//! - After a commit everybody who listens hears which keys are finished, and how long
//!   their jobs had waited and took. News may be lost; whoever waits asks again every
//!   second.
//! - Every call ends within the configured time limit.

use std::collections::HashSet;

use time::OffsetDateTime;

use crate::{
    app::{AppId, ClientName},
    config,
    id::JobKey,
    session_handle::HandleKey,
    vault::KeyedHash,
};

pub mod batch;
pub mod callback;
pub mod erasure;
pub mod finished;
pub mod known;
pub mod news;
pub mod pace;
pub mod postgres;
pub mod sqlite;
pub mod stored;

pub use self::{
    callback::{
        AttemptEnd, Attempted, CallbackFilter, CallbackState, CallbackStatus, Claim, DueCallback,
    },
    erasure::{AppCursor, AppErased, AppErasure, Erased, Erasure, Tombstone},
    finished::{Ending, Finished, KeyFingerprint, NewSession},
    known::Holds,
    news::{News, Told},
    pace::{Heard, Pace},
    stored::{StoredAnswer, StoredKey, StoredSession},
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, restarting, read-only, out of connections, or silent: the same
    /// call may work later.
    #[error("the store is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It refuses what was asked: the same call will never work.
    #[error("the store refuses the statement: {0}")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It holds what this build cannot read.
    #[error("the store holds a row of an unknown form: {0}")]
    Form(&'static str),
    /// The setting is not usable.
    #[error("the store's settings are not usable: {0}")]
    Settings(String),
}

/// What a purge deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Answers.
    pub answers: u64,
    /// Sessions.
    pub sessions: u64,
    /// Callbacks.
    pub callbacks: u64,
    /// Records of erasures.
    pub erasures: u64,
}

/// What the store says of its own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest migration that was applied; 0 for an empty database.
    pub version: i64,
    /// The oldest build's schema version that can still work with it.
    pub min_compatible: i64,
}

/// The newest migration that this build knows, and the oldest that it can work with.
pub const SCHEMA_VERSION: i64 = 2;

/// The stream of news of one listener.
#[derive(Debug)]
pub enum Feed {
    /// From Postgres.
    Postgres(postgres::Feed),
    /// From this process.
    Sqlite(sqlite::Feed),
}

impl Feed {
    /// The next piece of news. Waits through outages and reports [`News::lost`] after
    /// each. Safe to drop while waiting.
    pub async fn next(&mut self) -> News {
        match self {
            Self::Postgres(feed) => feed.next().await,
            Self::Sqlite(feed) => feed.next().await,
        }
    }
}

/// Which database keeps results and sessions. A closed set, chosen by the URL's scheme.
#[derive(Debug)]
pub enum Store {
    /// Postgres.
    Postgres(postgres::PostgresStore),
    /// An SQLite file, for one process.
    Sqlite(sqlite::SqliteStore),
}

macro_rules! each {
    ($store:expr, $member:ident => $call:expr) => {
        match $store {
            Store::Postgres($member) => $call,
            Store::Sqlite($member) => $call,
        }
    };
}

impl Store {
    /// Brings the schema to [`SCHEMA_VERSION`]; says which migrations it applied.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        each!(self, store => store.migrate().await)
    }

    /// What the schema is now.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        each!(self, store => store.schema().await)
    }

    /// Which of these copies of jobs, each with its deadline, have an answer that holds for
    /// them.
    pub async fn known(
        &self,
        copies: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.known(copies).await)
    }

    /// Keeps answers, and word of them, until the given times at least; says which of
    /// them there still are.
    pub async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.prolong(until).await)
    }

    /// Commits a batch of outcomes with their sessions, and tells listeners.
    pub async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        each!(self, store => store.finish(batch).await)
    }

    /// The answers to `keys`, in no order; those without one are left out.
    pub async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        each!(self, store => store.answers(keys).await)
    }

    /// The session whose current or previous key came from a login code with one of
    /// these keyed hashes.
    pub async fn session_of_code(
        &self,
        client: &ClientName,
        app: &AppId,
        code_hashes: &[KeyedHash],
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_code(client, app, code_hashes).await)
    }

    /// The session of a guest.
    pub async fn session_of_guest(
        &self,
        client: &ClientName,
        app: &AppId,
        openid: &str,
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_guest(client, app, openid).await)
    }

    /// The session that clients know by `handle`.
    pub async fn session_of_handle(
        &self,
        client: &ClientName,
        app: &AppId,
        handle: HandleKey,
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_handle(client, app, handle).await)
    }

    /// Erases one answer, or keeps out the one that may come. True if there was one.
    pub async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        each!(self, store => store.erase_job(tombstone).await)
    }

    /// The guests that gave a number with one of these keyed hashes.
    pub async fn guests_of_phone(
        &self,
        client: &ClientName,
        app: &AppId,
        phone_hashes: &[KeyedHash],
    ) -> Result<Vec<String>, StoreError> {
        each!(self, store => store.guests_of_phone(client, app, phone_hashes).await)
    }

    /// Erases everything about a person, and keeps out what earlier jobs may bring.
    pub async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        each!(self, store => store.erase_person(erasure).await)
    }

    /// Erases a part of everything of an app, and keeps out what earlier jobs may bring.
    pub async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        each!(self, store => store.erase_app(erasure).await)
    }

    /// Claims callbacks that are due, the longest due first.
    pub async fn claim_callbacks(&self, claim: Claim<'_>) -> Result<Vec<DueCallback>, StoreError> {
        each!(self, store => store.claim_callbacks(claim).await)
    }

    /// Records what became of claimed callbacks.
    pub async fn record_callbacks(&self, attempted: &[Attempted]) -> Result<(), StoreError> {
        each!(self, store => store.record_callbacks(attempted).await)
    }

    /// The callbacks that `filter` means, the newest first.
    pub async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        each!(self, store => store.callbacks(filter).await)
    }

    /// Makes the failed callbacks that `filter` means due again, with their whole time
    /// before them. Says how many.
    pub async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        each!(self, store => store.retry_callbacks(filter).await)
    }

    /// Starts listening. News from before are not heard.
    pub fn listen(&self) -> Feed {
        match self {
            Self::Postgres(store) => Feed::Postgres(store.listen()),
            Self::Sqlite(store) => Feed::Sqlite(store.listen()),
        }
    }

    /// Deletes rows past their retention, `max` of a table at most.
    pub async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        each!(self, store => store.purge(max).await)
    }

    /// The store's clock, to judge our own by.
    pub async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        each!(self, store => store.now().await)
    }

    /// Connections from now on use the URL in `settings`, those that are there stay. An
    /// error changes nothing; an embedded store stays where it is.
    pub fn retell(&self, settings: &config::Store) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.retell(settings),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Ends all connections, within the configured time limit.
    pub async fn close(&self) {
        each!(self, store => store.close().await);
    }
}
