//! The store seam: results, sessions, callbacks and erasures.
//!
//! The contract, which one test suite checks against every member:
//!
//! - [`Store::finish`] is one transaction: all of a batch or none of it.
//! - Answers only improve: a success replaces a failure, and either replaces nothing. Of two
//!   failures the first stays, except for
//!   [`quhao_common::domain::failure::FailureCode::replaces`]. The same holds inside a batch.
//! - That a deadline passed is an answer for duplicates of the job with that deadline or an
//!   earlier one ([`AnswerValidity`]), until a duplicate with a later deadline has failed too.
//! - An erasure replaces every answer: of the outcome of a job that was created before its
//!   person or app was erased, only the fact is kept, and of its session nothing.
//! - A callback is due from the commit that wrote its answer. A success cancels the event of a
//!   failure that was not sent yet.
//! - A session keeps its current and its previous key, ordered by the time of the exchange; the
//!   keys shift only when they differ.
//! - After a commit all listeners are notified which jobs are finished, and how long they had
//!   waited and taken. Notifications may be lost; whoever waits asks again every second.
//! - Every call ends within the configured time limit.
//!
//! [`AnswerValidity`]: quhao_common::domain::answer::AnswerValidity

use std::collections::HashSet;

use time::OffsetDateTime;

use quhao_common::{
    config,
    crypto::vault::KeyedHash,
    domain::{
        answer::StoredAnswer, app::AppId, callback_status::CallbackState, client::ClientName,
        finished::Finished, id::JobKey, session_handle::HandleKey,
    },
};

mod error;
mod columns;
mod answer_row;
mod answered;
mod batch;
mod callback;
mod callback_rows;
mod erasure;
mod notification;
mod throughput;
mod purged;
mod stored_session;
pub mod clock_skew;
pub(crate) mod postgres;
pub(crate) mod sqlite;

pub use self::{
    callback::{AttemptEnd, Attempted, CallbackFilter, Claim, DueCallback},
    erasure::{AppCursor, AppErased, AppErasure, Erased, Erasure, GUESTS_OF_PHONE_MAX, Tombstone},
    error::StoreError,
    notification::{FinishedJobs, Notification},
    purged::Purged,
    stored_session::{StoredKey, StoredSession},
    throughput::{ObservedThroughput, Throughput},
};
pub use crate::schema_version::{SCHEMA_VERSION, Schema};

/// The notifications of one listener.
#[derive(Debug)]
pub enum Notifications {
    /// From Postgres: of the commits of all processes.
    Postgres(postgres::Notifications),
    /// From this process, which is the only one.
    Sqlite(sqlite::Notifications),
}

impl Notifications {
    /// Waits for the next notification.
    ///
    /// Waits through outages and returns [`Notification::gap`] after each. Safe to drop while
    /// waiting.
    pub async fn next(&mut self) -> Notification {
        match self {
            Self::Postgres(notifications) => notifications.next().await,
            Self::Sqlite(notifications) => notifications.next().await,
        }
    }
}

/// The database that keeps results and sessions. A closed set, chosen by the URL's scheme.
#[derive(Debug)]
pub enum Store {
    /// Postgres.
    Postgres(postgres::PostgresStore),
    /// An SQLite file, for one process.
    Sqlite(sqlite::SqliteStore),
}

/// Makes the same call to whichever store it is.
macro_rules! each {
    ($store:expr, $member:ident => $call:expr) => {
        match $store {
            Store::Postgres($member) => $call,
            Store::Sqlite($member) => $call,
        }
    };
}

impl Store {
    /// Migrates the schema to [`SCHEMA_VERSION`]. Returns the migrations that were applied.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        each!(self, store => store.migrate().await)
    }

    /// Returns the version of the schema.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        each!(self, store => store.schema().await)
    }

    /// Returns which of these jobs, each with the deadline of one delivery, have an answer that
    /// is valid for that deadline.
    pub async fn answered(
        &self,
        jobs: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.answered(jobs).await)
    }

    /// Keeps answers and their callbacks at least until the given times. Returns which of the
    /// answers still exist.
    pub async fn prolong(
        &self,
        until: &[(JobKey, OffsetDateTime)],
    ) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.prolong(until).await)
    }

    /// Commits a batch of outcomes with their sessions, and notifies listeners.
    pub async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        each!(self, store => store.finish(batch).await)
    }

    /// Returns the answers to `keys`, in no order. Those without one are left out.
    pub async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        each!(self, store => store.answers(keys).await)
    }

    /// Returns the session whose current or previous key came from a login code with one of
    /// these keyed hashes.
    pub async fn session_of_code(
        &self,
        client: &ClientName,
        app: &AppId,
        code_hashes: &[KeyedHash],
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_code(client, app, code_hashes).await)
    }

    /// Returns the session of a guest.
    pub async fn session_of_guest(
        &self,
        client: &ClientName,
        app: &AppId,
        openid: &str,
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_guest(client, app, openid).await)
    }

    /// Returns the session that clients know by `handle`.
    pub async fn session_of_handle(
        &self,
        client: &ClientName,
        app: &AppId,
        handle: HandleKey,
    ) -> Result<Option<StoredSession>, StoreError> {
        each!(self, store => store.session_of_handle(client, app, handle).await)
    }

    /// Erases one answer. If it is still to come, it will not be stored. Returns whether there
    /// was one.
    pub async fn erase_job(&self, tombstone: &Tombstone) -> Result<bool, StoreError> {
        each!(self, store => store.erase_job(tombstone).await)
    }

    /// Returns the guests whose phone number has one of these keyed hashes.
    pub async fn guests_of_phone(
        &self,
        client: &ClientName,
        app: &AppId,
        phone_hashes: &[KeyedHash],
    ) -> Result<Vec<String>, StoreError> {
        each!(self, store => store.guests_of_phone(client, app, phone_hashes).await)
    }

    /// Erases everything about a person. What jobs that were created earlier may still bring will
    /// not be stored.
    pub async fn erase_person(&self, erasure: &Erasure) -> Result<Erased, StoreError> {
        each!(self, store => store.erase_person(erasure).await)
    }

    /// Erases a part of everything of an app. What jobs that were created earlier may still bring
    /// will not be stored.
    pub async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        each!(self, store => store.erase_app(erasure).await)
    }

    /// Claims callbacks that are due, the longest due first.
    pub async fn claim_callbacks(&self, claim: Claim<'_>) -> Result<Vec<DueCallback>, StoreError> {
        each!(self, store => store.claim_callbacks(claim).await)
    }

    /// Records the results of attempts at claimed callbacks.
    pub async fn record_callbacks(&self, attempted: &[Attempted]) -> Result<(), StoreError> {
        each!(self, store => store.record_callbacks(attempted).await)
    }

    /// Returns the callbacks that match `filter`, the newest first.
    pub async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        each!(self, store => store.callbacks(filter).await)
    }

    /// Makes the failed callbacks that match `filter` due again, with their whole time limit.
    /// Returns how many.
    pub async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        each!(self, store => store.retry_callbacks(filter).await)
    }

    /// Starts listening. Earlier commits are not notified.
    pub fn listen(&self) -> Notifications {
        match self {
            Self::Postgres(store) => Notifications::Postgres(store.listen()),
            Self::Sqlite(store) => Notifications::Sqlite(store.listen()),
        }
    }

    /// Deletes rows past their retention, at most `max` of each table.
    pub async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        each!(self, store => store.purge(max).await)
    }

    /// Returns the time of the store's clock, to compare with this process's.
    pub async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        each!(self, store => store.now().await)
    }

    /// Uses the URL in `settings` for new connections; those that are open stay. An error
    /// changes nothing. An embedded store stays where it is.
    pub fn reconfigure(&self, settings: &config::Store) -> Result<(), StoreError> {
        match self {
            Self::Postgres(store) => store.reconfigure(settings),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Closes all connections, within the configured time limit.
    pub async fn close(&self) {
        each!(self, store => store.close().await);
    }
}
