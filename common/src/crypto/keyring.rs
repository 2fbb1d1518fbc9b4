//! Numbered secrets, newest first, and the keyed hash made with them.
//!
//! Whatever a secret produced carries that secret's number, so that a key can be
//! rotated: append the new one everywhere, then move it to the front everywhere.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// 32 secret bytes. `Debug` shows nothing of them.
#[derive(Clone)]
pub struct Secret32(Zeroizing<[u8; 32]>);

impl Secret32 {
    /// Wraps `bytes`.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes, for a cipher or a MAC.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret32(redacted)")
    }
}

/// Why a line of `[secrets]` is not a numbered secret. It says nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberedSecretError {
    /// It does not begin with `kN:`.
    #[error("expected \"kN:\" (N from 0 to 255) in front of the base64 text")]
    Number,
    /// The rest is not base64 of exactly 32 bytes.
    #[error("expected base64 of exactly 32 bytes after \"kN:\"")]
    Bytes,
}

/// Parses `kN:base64`, the form of the configuration.
pub fn parse_numbered_secret(text: &str) -> Result<(u8, Secret32), NumberedSecretError> {
    let (name, encoded) = text.split_once(':').ok_or(NumberedSecretError::Number)?;
    let number = name
        .strip_prefix('k')
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or(NumberedSecretError::Number)?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| NumberedSecretError::Bytes)?);
    let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| NumberedSecretError::Bytes)?;
    Ok((number, Secret32::new(bytes)))
}

/// Values by key number, newest first. Never empty.
#[derive(Debug, Clone)]
pub struct Keyring<T>(Vec<(u8, T)>);

/// Why a list of entries is not a keyring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// It has no entry.
    #[error("at least one key is needed")]
    Empty,
    /// A number occurs twice.
    #[error("key number {0} stands twice")]
    Twice(u8),
}

impl<T> Keyring<T> {
    /// Creates a ring of `entries`, newest first.
    pub fn new(entries: Vec<(u8, T)>) -> Result<Self, KeyringError> {
        if entries.is_empty() {
            return Err(KeyringError::Empty);
        }
        for (at, (number, _)) in entries.iter().enumerate() {
            if entries[..at].iter().any(|(earlier, _)| earlier == number) {
                return Err(KeyringError::Twice(*number));
            }
        }
        Ok(Self(entries))
    }

    /// Returns the entry that new values are made with.
    pub fn newest(&self) -> (u8, &T) {
        let (number, value) = &self.0[0];
        (*number, value)
    }

    /// Returns the entry called `number`, if it is still accepted.
    pub fn get(&self, number: u8) -> Option<&T> {
        self.0.iter().find(|(n, _)| *n == number).map(|(_, value)| value)
    }

    /// Returns all accepted entries, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &T)> {
        self.0.iter().map(|(number, value)| (*number, value))
    }

    /// Returns a ring of the same numbers, with values made from these.
    pub fn map<U>(&self, mut make: impl FnMut(&T) -> U) -> Keyring<U> {
        Keyring(self.0.iter().map(|(number, value)| (*number, make(value))).collect())
    }
}

/// Returns HMAC-SHA256 over `parts`, each with its length in front, so that no two lists of
/// parts give the same input.
pub fn keyed_hash(secret: &Secret32, parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("any key length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Returns the first `N` bytes of a hash.
pub fn truncated<const N: usize>(hash: [u8; 32]) -> [u8; N] {
    const { assert!(N <= 32) };
    std::array::from_fn(|at| hash[at])
}
