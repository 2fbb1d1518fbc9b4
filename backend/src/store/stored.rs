//! Sessions as they are read back.

use time::OffsetDateTime;

use quhao_common::crypto::vault::{KeyedHash, Sealed};

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
