//! AES-128-CBC as WeChat applies it to open data, with paddings good and bad.

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::Encryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use serde::Serialize;

const BLOCK: usize = 16;

/// `encryptedData` and `iv` as a mini-program's callback gets them: standard base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Encrypted {
    /// The ciphertext, base64.
    pub encrypted_data: String,
    /// The initialisation vector, base64 of 16 bytes.
    pub iv: String,
}

/// What is appended to the plaintext before encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Padding {
    /// PKCS#7 with 1 to 16 bytes, as WeChat does it.
    Pkcs7,
    /// As many bytes as PKCS#7 wants, but with this as the last: 0, more than 16, or a number that the bytes
    /// before it contradict.
    LastByte(u8),
    /// Exactly these bytes; plaintext and padding together must be whole blocks of 16 bytes.
    Exactly(Vec<u8>),
}

/// Why something could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The session key is not base64 of 16 bytes.
    #[error("the session key is not base64 of 16 bytes")]
    SessionKey,
    /// The plaintext with its padding is not a multiple of 16 bytes long.
    #[error("plaintext and padding together are not whole blocks of 16 bytes")]
    Length,
}

/// Encrypts any bytes under a session key with a random iv.
///
/// Source: `/miniprogram/dev/framework/open-ability/signature.html`: AES-128-CBC, PKCS#7, the key is the
/// base64-decoded `session_key`.
pub fn encrypt(
    session_key: &str,
    plaintext: &[u8],
    padding: &Padding,
) -> Result<Encrypted, CipherError> {
    let key: [u8; BLOCK] = STANDARD
        .decode(session_key)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(CipherError::SessionKey)?;
    let iv: [u8; BLOCK] = rand::random();
    let padded = padded(plaintext, padding)?;
    let ciphertext =
        Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded_vec::<NoPadding>(&padded);
    Ok(Encrypted { encrypted_data: STANDARD.encode(ciphertext), iv: STANDARD.encode(iv) })
}

fn padded(plaintext: &[u8], padding: &Padding) -> Result<Vec<u8>, CipherError> {
    let missing = BLOCK - plaintext.len() % BLOCK;
    let mut padded = plaintext.to_vec();
    match padding {
        Padding::Exactly(bytes) => padded.extend_from_slice(bytes),
        Padding::Pkcs7 | Padding::LastByte(_) => {
            let length = u8::try_from(missing).map_err(|_| CipherError::Length)?;
            padded.resize(plaintext.len() + missing, length);
        }
    }
    if let (Padding::LastByte(byte), Some(last)) = (padding, padded.last_mut()) {
        *last = *byte;
    }
    if padded.len().is_multiple_of(BLOCK) { Ok(padded) } else { Err(CipherError::Length) }
}
