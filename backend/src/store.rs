//! The store seam: results, sessions, callbacks and erasures.
//!
//! The contract, which one suite checks against every member:
//!
//! - [`Store::finish`] is one transaction: all of a batch or none of it.
//! - Answers improve only: succeeded over failed over none; of two failures the first
//!   stays, but for [`quhao_common::domain::failure::FailureCode::replaces`]. Inside a batch too.
//! - That a deadline passed holds for copies of the job with that deadline or an earlier
//!   one ([`AnswerValidity`]), until a copy with a later one has failed, too.
//! - Erased is over all of them: the outcome of a job that was created before its person
//!   or app was erased is kept as the fact alone, its session not at all.
//! - A callback is due from the commit that wrote its answer; a success cancels word of a
//!   failure that was not sent yet.
//! - A session keeps its current and its previous key, ordered by the time of the
//!   exchange; the keys shift only when they differ.
//! - After a commit everybody who listens hears which keys are finished, and how long
//!   their jobs had waited and took. Notifications may be lost; whoever waits asks again every
//!   second.
//! - Every call ends within the configured time limit.

use std::collections::HashSet;

use time::OffsetDateTime;

use quhao_common::{
    config,
    crypto::vault::KeyedHash,
    domain::{
        answer::StoredAnswer,
        app::{AppId, ClientName},
        callback_status::CallbackState,
        finished::Finished,
        id::JobKey,
        session_handle::HandleKey,
    },
};

pub mod error;
pub mod answered;
pub mod batch;
pub mod callback;
pub mod clock_skew;
pub mod erasure;
pub mod notification;
pub mod purged;
pub mod stored;
pub mod throughput;
pub mod postgres;
pub mod sqlite;

pub use self::{
    callback::{AttemptEnd, Attempted, CallbackFilter, Claim, DueCallback},
    erasure::{AppCursor, AppErased, AppErasure, Erased, Erasure, Tombstone},
    error::StoreError,
    notification::{FinishedJobs, Notification},
    purged::Purged,
    stored::{StoredKey, StoredSession},
    throughput::{ObservedThroughput, Throughput},
};
pub use crate::schema_version::{SCHEMA_VERSION, Schema};

/// The stream of news of one listener.
#[derive(Debug)]
pub enum Notifications {
    /// From Postgres.
    Postgres(postgres::Notifications),
    /// From this process.
    Sqlite(sqlite::Notifications),
}

impl Notifications {
    /// The next piece of news. Waits through outages and reports [`Notification::lost`] after
    /// each. Safe to drop while waiting.
    pub async fn next(&mut self) -> Notification {
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
    pub async fn answered(
        &self,
        copies: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.answered(copies).await)
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

    /// Starts listening. Notifications from before are not heard.
    pub fn listen(&self) -> Notifications {
        match self {
            Self::Postgres(store) => Notifications::Postgres(store.listen()),
            Self::Sqlite(store) => Notifications::Sqlite(store.listen()),
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
    pub fn reconfigure(&self, settings: &config::Store) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.reconfigure(settings),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Ends all connections, within the configured time limit.
    pub async fn close(&self) {
        each!(self, store => store.close().await);
    }
}
