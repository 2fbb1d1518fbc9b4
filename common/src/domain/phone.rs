//! The values that must never be shown: codes, session keys, ciphertexts, phone numbers.
//!
//! None of these types shows its content in `Debug`, and none has a `Display`.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! redacted {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

/// Longest login code, in bytes. WeChat's have 32 characters; the API allows more.
pub const LOGIN_CODE_BYTES_MAX: usize = 512;

/// A login code, as `wx.login` gave it to the mini-program. It works once, for five minutes.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginCode(String);

redacted!(LoginCode);

impl LoginCode {
    /// Wraps `text`, which the HTTP side has checked.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for the platform.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Longest code of the phone button, in bytes.
pub const PHONE_CODE_BYTES_MAX: usize = 512;

/// The code that the phone button gives instead of a ciphertext. It works once, for five
/// minutes, and is not a login code.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneCode(String);

redacted!(PhoneCode);

impl PhoneCode {
    /// Wraps `text`, which the HTTP side has checked.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, for the platform.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The AES-128 key of a login, as the platform gave it. It leaves the worker only sealed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SessionKey([u8; 16]);

redacted!(SessionKey);

impl SessionKey {
    /// Wraps the key's bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for the cipher.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What the phone button gave: ciphertext and initialisation vector, repaired, of the right
/// lengths.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Encrypted {
    data: Vec<u8>,
    iv: [u8; 16],
}

redacted!(Encrypted);

/// The ciphertext is empty or not a whole number of AES blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext is not a positive multiple of 16 bytes")]
pub struct EncryptedLengthError;

impl Encrypted {
    /// Checks the lengths and wraps the bytes.
    pub fn new(data: Vec<u8>, iv: [u8; 16]) -> Result<Self, EncryptedLengthError> {
        if data.is_empty() || !data.len().is_multiple_of(16) {
            return Err(EncryptedLengthError);
        }
        Ok(Self { data, iv })
    }

    /// Returns the ciphertext: a positive multiple of 16 bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Returns the initialisation vector.
    pub fn iv(&self) -> &[u8; 16] {
        &self.iv
    }
}

/// A verified phone number, in the platform's own fields and as E.164.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct Phone {
    /// `+`, country code, number. Built from `country_code` and `pure_phone_number`, since
    /// the form of `phone_number` is not documented for foreign numbers.
    pub e164: String,
    /// `phoneNumber` as the platform gave it.
    pub phone_number: String,
    /// `purePhoneNumber`: the number without country code.
    pub pure_phone_number: String,
    /// `countryCode`, digits.
    pub country_code: String,
}

redacted!(Phone);
