//! Encryption of what is stored and queued: nothing personal is on a disk unless sealed.
//!
//! AES-256-GCM; key number (1 byte), nonce (12), ciphertext, tag (16). The associated data
//! name the row or message that sealed bytes belong to, so that they do not open elsewhere.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, Nonce},
};
use hkdf::Hkdf;
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::keyring::{Keyring, Secret32, keyed_hash, truncated};

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Room for nearly every JSON text.
const TEXT_BYTES: usize = 1024;
/// The bytes that sealing adds to a text.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// What sealed bytes are bound to: they open with the same associated data only.
#[derive(Debug, Clone, Copy)]
pub struct AssociatedData<'a> {
    /// `jobs`, `sessions`, `queue`, …
    pub table: &'static str,
    /// The key of the row or message.
    pub key: &'a [u8],
    /// The appid, or nothing where it stands inside.
    pub app: &'a str,
}

impl AssociatedData<'_> {
    /// Returns its parts, each with its length in front.
    fn bytes(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(24 + self.table.len() + self.key.len() + self.app.len());
        for part in [self.table.as_bytes(), self.key, self.app.as_bytes()] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Sealed bytes, which are safe to store.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Wraps sealed bytes, as they were stored.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes to store, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why sealed bytes did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// They were sealed with a key that this process does not have: the operator must add it.
    #[error("sealed with key k{0}, which [secrets] seal does not list")]
    UnknownKey(u8),
    /// They were cut short or changed, or belong elsewhere.
    #[error("the sealed bytes are damaged or belong elsewhere")]
    Damaged,
}

/// What a keyed hash is of. Hashes of different kinds differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashOf {
    /// An E.164 number, for look-up and erasure.
    Phone,
    /// The platform's id of a guest, for erasure.
    Guest,
    /// A login code, to recognise the exchange that a stored session came from.
    LoginCode,
}

impl HashOf {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Phone => b"phone",
            Self::Guest => b"guest",
            Self::LoginCode => b"login-code",
        }
    }
}

/// A keyed hash, stored beside a row.
pub type KeyedHash = [u8; 16];

/// The keys that one seal secret gives.
struct SealKeys {
    cipher: Aes256Gcm,
    hashing: Secret32,
}

/// Seals with the newest key and opens with any.
pub struct Vault(Keyring<SealKeys>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u8> = self.0.iter().map(|(number, _)| number).collect();
        write!(f, "Vault(keys {numbers:?})")
    }
}

impl Vault {
    /// Creates a vault with the seal secrets of `ring`.
    pub fn new(ring: &Keyring<Secret32>) -> Self {
        Self(ring.map(|secret| SealKeys {
            cipher: Aes256Gcm::new(secret.expose().into()),
            hashing: hashing_key(secret),
        }))
    }

    /// Seals `text`.
    pub fn seal(&self, associated_data: AssociatedData<'_>, text: &[u8]) -> Sealed {
        let (number, keys) = self.0.newest();
        // The thread's generator is secure too, and the system's costs a system call each time.
        let nonce = Nonce::<Aes256Gcm>::from(rand::random::<[u8; NONCE_BYTES]>());
        let mut out = Vec::with_capacity(OVERHEAD_BYTES + text.len());
        out.push(number);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(text);
        #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB; every input is bounded")]
        let tag = keys
            .cipher
            .encrypt_inout_detached(
                &nonce,
                &associated_data.bytes(),
                (&mut out[1 + NONCE_BYTES..]).into(),
            )
            .expect("text within AES-GCM's limit");
        out.extend_from_slice(&tag);
        Sealed(out)
    }

    /// Seals the JSON text of `value`, which must not be able to fail: strings, numbers, and
    /// JSON that was parsed before.
    pub fn seal_json(&self, associated_data: AssociatedData<'_>, value: &impl Serialize) -> Sealed {
        // A text that outgrows its buffer leaves copies behind that nobody wipes.
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
        #[expect(clippy::expect_used, reason = "see above")]
        serde_json::to_writer(&mut *text, value).expect("serialisable");
        self.seal(associated_data, &text)
    }

    /// Opens what was sealed with the same associated data. The text is wiped when dropped.
    pub fn open(
        &self,
        associated_data: AssociatedData<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (number, rest) = sealed.split_first().ok_or(VaultError::Damaged)?;
        let keys = self.0.get(*number).ok_or(VaultError::UnknownKey(*number))?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(VaultError::Damaged)?;
        let nonce = Nonce::<Aes256Gcm>::try_from(nonce).map_err(|_| VaultError::Damaged)?;
        let mut text = Zeroizing::new(text.to_vec());
        keys.cipher
            .decrypt_in_place(&nonce, &associated_data.bytes(), &mut *text)
            .map_err(|_| VaultError::Damaged)?;
        Ok(text)
    }

    /// Returns the hash to store, made with the newest key.
    pub fn hash(&self, of: HashOf, app: &str, value: &[u8]) -> KeyedHash {
        hash(self.0.newest().1, of, app, value)
    }

    /// Returns the hashes to look up: one for each accepted key, newest first.
    pub fn hashes(&self, of: HashOf, app: &str, value: &[u8]) -> Vec<KeyedHash> {
        self.0.iter().map(|(_, keys)| hash(keys, of, app, value)).collect()
    }
}

fn hash(keys: &SealKeys, of: HashOf, app: &str, value: &[u8]) -> KeyedHash {
    truncated(keyed_hash(&keys.hashing, &[of.label(), app.as_bytes(), value]))
}

/// Derives the key for hashes: a key of their own, so that neither use weakens the other.
fn hashing_key(secret: &Secret32) -> Secret32 {
    let mut key = [0; 32];
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit of 8160")]
    Hkdf::<Sha256>::new(None, secret.expose())
        .expand(b"quhao keyed hash v1", &mut key)
        .expect("32 bytes");
    Secret32::new(key)
}

#[cfg(test)]
mod tests;
