//! The store seam: results and sessions.
//!
//! The contract, which one suite checks against every member:
//!
//! - [`Store::finish`] is one transaction: all of a batch or none of it.
//! - Answers improve only: succeeded over failed over none; of two failures the first
//!   stays, but for [`FailureCode::replaces`]. Inside a batch too.
//! - A session keeps its current and its previous key, ordered by the time of the
//!   exchange; the keys shift only when they differ.
//! - After a commit everybody who listens hears which keys are finished. News may be
//!   lost; whoever waits asks again every second.
//! - Every call ends within the configured time limit.

use std::collections::HashSet;

use time::OffsetDateTime;

use crate::{
    app::{AppId, ClientName},
    failure::FailureCode,
    id::JobKey,
    vault::{KeyedHash, Sealed},
};

pub mod batch;
pub mod postgres;
pub mod sqlite;

/// How a job ended, as far as the store has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a failure.
    Failed(FailureCode),
    /// With what was asked for.
    Succeeded,
}

impl Ending {
    /// Whether an answer with this ending takes the place of one with `earlier`.
    pub fn replaces(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Succeeded, Self::Failed(_)) => true,
            (Self::Failed(code), Self::Failed(earlier)) => code.replaces(earlier),
            (_, Self::Succeeded) => false,
        }
    }
}

/// One outcome to be committed.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The job.
    pub key: JobKey,
    /// Whose it is.
    pub client: ClientName,
    /// For which app.
    pub app: AppId,
    /// How it ended.
    pub ending: Ending,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Its deadline.
    pub expires_at: OffsetDateTime,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may go.
    pub purge_at: OffsetDateTime,
    /// The sealed [`crate::answer::Answer`].
    pub answer: Sealed,
    /// The guest, for erasure.
    pub openid: Option<String>,
    /// The number's keyed hash, for look-up and erasure.
    pub phone_hash: Option<KeyedHash>,
    /// The session that the exchange gave, to be kept with the same commit.
    pub session: Option<NewSession>,
}

/// A hash of a session key, unkeyed: 128 random bits cannot be found by trying.
pub type KeyFingerprint = [u8; 16];

/// A session as an exchange gave it. Belongs to the client and app of its [`Finished`].
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The guest.
    pub openid: String,
    /// The guest across apps.
    pub unionid: Option<String>,
    /// The sealed session key.
    pub key: Sealed,
    /// What tells whether the key was rotated: the same for the same key, whatever it is
    /// sealed with.
    pub key_hash: KeyFingerprint,
    /// The keyed hash of the login code that gave it.
    pub code_hash: KeyedHash,
    /// When the platform gave it.
    pub exchanged_at: OffsetDateTime,
    /// When the row may go.
    pub purge_at: OffsetDateTime,
}

/// A stored answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The job.
    pub key: JobKey,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Its deadline.
    pub expires_at: OffsetDateTime,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may go; after this it counts as gone.
    pub purge_at: OffsetDateTime,
    /// The sealed [`crate::answer::Answer`].
    pub answer: Sealed,
}

/// A stored session.
#[derive(Debug, Clone)]
pub struct StoredSession {
    /// The guest.
    pub openid: String,
    /// The guest across apps.
    pub unionid: Option<String>,
    /// The current key, then the previous one if there was another.
    pub keys: Vec<StoredKey>,
}

/// A session key at rest.
#[derive(Debug, Clone)]
pub struct StoredKey {
    /// The sealed key.
    pub key: Sealed,
    /// The keyed hash of the login code whose exchange gave it last.
    pub code_hash: KeyedHash,
    /// When that exchange was.
    pub exchanged_at: OffsetDateTime,
}

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
pub const SCHEMA_VERSION: i64 = 1;

/// What listeners hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These are finished.
    Finished(Vec<JobKey>),
    /// Some are, or news may have been lost: look at all.
    Anything,
}

/// The stream of news of one listener.
#[derive(Debug)]
pub enum Feed {
    /// From Postgres.
    Postgres(postgres::Feed),
    /// From this process.
    Sqlite(sqlite::Feed),
}

impl Feed {
    /// The next piece of news. Waits through outages and reports [`News::Anything`]
    /// after each. Safe to drop while waiting.
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

    /// Which of `keys` have an answer.
    pub async fn known(&self, keys: &[JobKey]) -> Result<HashSet<JobKey>, StoreError> {
        each!(self, store => store.known(keys).await)
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

    /// Ends all connections, within the configured time limit.
    pub async fn close(&self) {
        each!(self, store => store.close().await);
    }
}
