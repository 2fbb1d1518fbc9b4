//! What is read back: answers and sessions.

use time::OffsetDateTime;

use super::Holds;
use crate::{
    id::JobKey,
    vault::{KeyedHash, Sealed},
};

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
    /// The sealed [`crate::answer::Answer`]; `None` if it was erased, and only the fact is
    /// kept.
    pub answer: Option<Sealed>,
    /// For which copies of its job it holds.
    pub holds: Holds,
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
