//! AES-128-CBC as WeChat applies it to open data, with paddings good and bad.

use aes::Aes128;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::Encryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use serde::Serialize;

const BLOCK: usize = 16;

/// An encrypted message: `encryptedData` and `iv` as a mini-program's callback gets them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Encrypted {
    /// The ciphertext in standard base64.
    pub encrypted_data: String,
    /// The initialisation vector: 16 bytes in standard base64.
    pub iv: String,
}

/// The bytes that are appended to the plaintext before encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Padding {
    /// PKCS#7 with 1 to 16 bytes, as WeChat uses it.
    Pkcs7,
    /// As many bytes as PKCS#7 appends, but with this as the last one: 0, more than 16, or a number
    /// that the bytes before it contradict.
    LastByte(u8),
    /// These bytes. Plaintext and padding together must be whole blocks of 16 bytes.
    Exactly(Vec<u8>),
}

/// The reason why something could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The session key is not base64 of 16 bytes.
    #[error("the session key is not base64 of 16 bytes")]
    SessionKey,
    /// The length of plaintext and padding is not a multiple of 16 bytes.
    #[error("plaintext and padding together are not whole blocks of 16 bytes")]
    Length,
}

/// Encrypts any bytes under a session key with a random iv.
///
/// Source: `/miniprogram/dev/framework/open-ability/signature.html`: AES-128-CBC, PKCS#7, the key
/// is the base64-decoded `session_key`.
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
    let padded = pad(plaintext, padding)?;
    let ciphertext =
        Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded_vec::<NoPadding>(&padded);
    Ok(Encrypted { encrypted_data: STANDARD.encode(ciphertext), iv: STANDARD.encode(iv) })
}

/// Returns the plaintext with its padding.
fn pad(plaintext: &[u8], padding: &Padding) -> Result<Vec<u8>, CipherError> {
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

#[cfg(test)]
mod tests {
    use cbc::Decryptor;
    use cbc::cipher::BlockModeDecrypt;

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

    /// Returns the plaintext with its padding.
    fn decrypt(encrypted: &Encrypted) -> Vec<u8> {
        let bytes = |text: &str| STANDARD.decode(text).unwrap();
        let block = |text: &str| <[u8; BLOCK]>::try_from(bytes(text)).unwrap();
        let (key, iv) = (block(KEY), block(&encrypted.iv));
        Decryptor::<Aes128>::new(&key.into(), &iv.into())
            .decrypt_padded_vec::<NoPadding>(&bytes(&encrypted.encrypted_data))
            .unwrap()
    }

    #[test]
    fn every_padding_survives_encryption() {
        let cases: [(&[u8], Padding, &[u8]); 4] = [
            (b"thirteen byte", Padding::Pkcs7, b"thirteen byte\x03\x03\x03"),
            (b"", Padding::Pkcs7, &[16; BLOCK]),
            (b"thirteen byte", Padding::LastByte(0), b"thirteen byte\x03\x03\x00"),
            (b"thirteen byte", Padding::Exactly(b"abc".to_vec()), b"thirteen byteabc"),
        ];
        for (plaintext, padding, padded) in cases {
            assert_eq!(decrypt(&encrypt(KEY, plaintext, &padding).unwrap()), padded, "{padding:?}");
        }
    }

    #[test]
    fn bad_key_or_length_is_refused() {
        let short_key = STANDARD.encode([0; 15]);
        assert_eq!(encrypt(&short_key, b"", &Padding::Pkcs7), Err(CipherError::SessionKey));
        assert_eq!(encrypt("?", b"", &Padding::Pkcs7), Err(CipherError::SessionKey));
        let one_byte = Padding::Exactly(vec![1]);
        assert_eq!(encrypt(KEY, b"", &one_byte), Err(CipherError::Length));
    }
}
