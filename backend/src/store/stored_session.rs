//! Sessions as they are read back.

use time::OffsetDateTime;

use super::{columns::keyed_hash, error::StoreError};
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
    /// The time of that exchange.
    pub exchanged_at: OffsetDateTime,
}

/// The columns of table `sessions` that hold a key.
#[derive(Debug)]
pub(super) struct KeyRow {
    /// The sealed key.
    pub(super) key: Vec<u8>,
    pub(super) code_hash: Vec<u8>,
    pub(super) exchanged_at: OffsetDateTime,
}

impl KeyRow {
    /// Reads the key.
    pub(super) fn into_key(self) -> Result<StoredKey, StoreError> {
        Ok(StoredKey {
            key: Sealed::from_bytes(self.key),
            code_hash: keyed_hash(self.code_hash)?,
            exchanged_at: self.exchanged_at,
        })
    }
}
