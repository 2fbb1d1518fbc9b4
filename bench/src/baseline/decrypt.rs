//! The phone number in a payload.

use aes::Aes128;
use base64::{Engine, engine::general_purpose::STANDARD};
use cbc::{
    Decryptor,
    cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    phone_number: String,
}

pub(super) fn phone_in(encrypted: &str, iv: &str, session_key: &str) -> Option<String> {
    let data = STANDARD.decode(encrypted).ok()?;
    let key: [u8; 16] = STANDARD.decode(session_key).ok()?.try_into().ok()?;
    let iv: [u8; 16] = STANDARD.decode(iv).ok()?.try_into().ok()?;
    let cipher = Decryptor::<Aes128>::new(&key.into(), &iv.into());
    let text = cipher.decrypt_padded_vec::<Pkcs7>(&data).ok()?;
    Some(serde_json::from_slice::<Payload>(&text).ok()?.phone_number)
}

#[cfg(test)]
mod tests {
    use quhao_simulator::PhonePayload;

    use super::*;

    #[test]
    fn a_number_is_found_with_the_right_key() {
        let key = "AAECAwQFBgcICQoLDA0ODw==";
        let encrypted = PhonePayload::mainland("wx1", "13800000001").encrypt(key).unwrap();
        let phone = phone_in(&encrypted.encrypted_data, &encrypted.iv, key);
        assert_eq!(phone.as_deref(), Some("13800000001"));
        let other = "AAAAAAAAAAAAAAAAAAAAAA==";
        assert_ne!(phone_in(&encrypted.encrypted_data, &encrypted.iv, other), phone);
    }
}
