//! Sealing: nothing personal lies on a disk but inside one of these boxes.
//!
//! AES-256-GCM; key number (1 byte), nonce (12), ciphertext, tag (16). The associated
//! data name where a box belongs, so that one moved to another row does not open.

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
/// Room for nearly every text.
const TEXT_BYTES: usize = 1024;
/// What sealing adds to a text.
pub const OVERHEAD_BYTES: usize = 1 + NONCE_BYTES + TAG_BYTES;

/// Where a box belongs.
#[derive(Debug, Clone, Copy)]
pub struct AssociatedData<'a> {
    /// `jobs`, `sessions`, `queue`, …
    pub table: &'static str,
    /// The row's or message's key.
    pub key: &'a [u8],
    /// The app that it is about.
    pub app: &'a str,
}

impl AssociatedData<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(24 + self.table.len() + self.key.len() + self.app.len());
        for part in [self.table.as_bytes(), self.key, self.app.as_bytes()] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Bytes that are safe to store.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// A box as it was stored.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why a box did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Sealed with a key that this process does not have: an operator's matter.
    #[error("sealed with key k{0}, which [secrets] seal does not list")]
    UnknownKey(u8),
    /// Cut short, changed, or in the wrong place.
    #[error("the sealed bytes are damaged or belong elsewhere")]
    Damaged,
}

/// What a keyed hash is of. Each has a key of its own.
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

/// A keyed hash that stands beside a row.
pub type KeyedHash = [u8; 16];

struct Slot {
    cipher: Aes256Gcm,
    hashing: Secret32,
}

/// Seals with the newest key, opens with any.
pub struct Vault(Keyring<Slot>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u8> = self.0.iter().map(|(number, _)| number).collect();
        write!(f, "Vault(keys {numbers:?})")
    }
}

impl Vault {
    /// A vault with these seal keys.
    pub fn new(ring: &Keyring<Secret32>) -> Self {
        Self(ring.map(|secret| Slot {
            cipher: Aes256Gcm::new(secret.expose().into()),
            hashing: hashing_key(secret),
        }))
    }

    /// Seals `text` for `place`.
    pub fn seal(&self, place: AssociatedData<'_>, text: &[u8]) -> Sealed {
        let (number, slot) = self.0.newest();
        // From the thread's generator, which is a secure one: the system's costs a call each.
        let nonce = Nonce::<Aes256Gcm>::from(rand::random::<[u8; NONCE_BYTES]>());
        let mut out = Vec::with_capacity(OVERHEAD_BYTES + text.len());
        out.push(number);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(text);
        #[expect(clippy::expect_used, reason = "fails only beyond 64 GiB; every input is bounded")]
        let tag = slot
            .cipher
            .encrypt_inout_detached(
                &nonce,
                &place.associated_data(),
                (&mut out[1 + NONCE_BYTES..]).into(),
            )
            .expect("text within AES-GCM's limit");
        out.extend_from_slice(&tag);
        Sealed(out)
    }

    /// Seals the JSON text of `value`, which has no way to fail: strings, numbers, and JSON
    /// that was parsed before.
    pub fn seal_json(&self, place: AssociatedData<'_>, value: &impl Serialize) -> Sealed {
        // A text that outgrows its place leaves copies behind that nobody wipes.
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
        #[expect(clippy::expect_used, reason = "see above")]
        serde_json::to_writer(&mut *text, value).expect("serialisable");
        self.seal(place, &text)
    }

    /// Opens a box that was sealed for `place`. The text is wiped when dropped.
    pub fn open(
        &self,
        place: AssociatedData<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (number, rest) = sealed.split_first().ok_or(VaultError::Damaged)?;
        let slot = self.0.get(*number).ok_or(VaultError::UnknownKey(*number))?;
        let (nonce, text) = rest.split_at_checked(NONCE_BYTES).ok_or(VaultError::Damaged)?;
        let nonce = Nonce::<Aes256Gcm>::try_from(nonce).map_err(|_| VaultError::Damaged)?;
        let mut text = Zeroizing::new(text.to_vec());
        slot.cipher
            .decrypt_in_place(&nonce, &place.associated_data(), &mut *text)
            .map_err(|_| VaultError::Damaged)?;
        Ok(text)
    }

    /// The hash to store, under the newest key.
    pub fn hash(&self, of: HashOf, app: &str, value: &[u8]) -> KeyedHash {
        hash(self.0.newest().1, of, app, value)
    }

    /// The hashes to look up: one for each accepted key, newest first.
    pub fn hashes(&self, of: HashOf, app: &str, value: &[u8]) -> Vec<KeyedHash> {
        self.0.iter().map(|(_, slot)| hash(slot, of, app, value)).collect()
    }
}

fn hash(slot: &Slot, of: HashOf, app: &str, value: &[u8]) -> KeyedHash {
    truncated(keyed_hash(&slot.hashing, &[of.label(), app.as_bytes(), value]))
}

/// Hashes are made with a key of their own, so that neither use weakens the other.
fn hashing_key(secret: &Secret32) -> Secret32 {
    let mut key = [0; 32];
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit of 8160")]
    Hkdf::<Sha256>::new(None, secret.expose())
        .expand(b"quhao keyed hash v1", &mut key)
        .expect("32 bytes");
    Secret32::new(key)
}
