//! Session keys at rest are those of before.

use quhao_common::crypto::vault::OVERHEAD_BYTES;
use time::OffsetDateTime;

use super::*;
use crate::tests::golden::{self, base64, key_number, list, text};

/// Opens a stored key for the guest of this app.
fn opened(sealed: Vec<u8>, client: &ClientName, app: &AppId, openid: &str) -> Option<Vec<u8>> {
    let stored = StoredKey {
        key: Sealed::from_bytes(sealed),
        code_hash: [0; 16],
        exchanged_at: OffsetDateTime::UNIX_EPOCH,
    };
    let key = open(&golden::vault(&[2, 1]), client, app, openid, &stored).ok()?;
    Some(key.expose().to_vec())
}

#[test]
fn session_key_at_rest_still_opens() {
    for entry in list("session_keys.json", "keys") {
        let (client, app, openid) =
            (golden::client(&entry), golden::app(&entry), text(&entry, "openid"));
        let (sealed, key) = (base64(&entry, "sealed"), base64(&entry, "session_key"));
        let of_guest = opened(sealed.clone(), &client, &app, openid);
        assert_eq!(of_guest, Some(key), "{}", entry["name"]);
        assert_eq!(opened(sealed, &client, &app, "another guest"), None, "{}", entry["name"]);
    }
}

#[test]
fn new_session_key_has_the_form_of_before() {
    for entry in list("session_keys.json", "keys") {
        let (client, app, openid) =
            (golden::client(&entry), golden::app(&entry), text(&entry, "openid"));
        let (before, bytes) = (base64(&entry, "sealed"), base64(&entry, "session_key"));
        let key = SessionKey::new(bytes.clone().try_into().unwrap());
        let vault = golden::vault(&[key_number(&entry)]);
        let sealed = seal(&vault, &client, &app, openid, &key).into_bytes();
        assert_eq!((sealed[0], sealed.len()), (before[0], before.len()));
        assert_eq!((sealed[0], sealed.len()), (key_number(&entry), OVERHEAD_BYTES + 16));
        assert_eq!(opened(sealed, &client, &app, openid), Some(bytes));
    }
}

#[test]
fn fingerprint_of_a_session_key_is_as_before() {
    for entry in list("session_keys.json", "keys") {
        let (client, app, openid) =
            (golden::client(&entry), golden::app(&entry), text(&entry, "openid"));
        let key = SessionKey::new(base64(&entry, "session_key").try_into().unwrap());
        let made = fingerprint(&client, &app, openid, &key);
        let made = format!("{:032x}", u128::from_be_bytes(made));
        assert_eq!(made, text(&entry, "fingerprint"), "{}", entry["name"]);
    }
}
