//! The handle of a stored session. It proves itself as the id of a job does, and holds
//! nothing secret.
//!
//! The key is a hash of client, app and openid without a secret in it, so that it stays the
//! same when the id secrets rotate; the tag makes it worth something.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};

use crate::domain::{
    app::AppId,
    client::ClientName,
    id::{BASE32, IdKeys, Key, Kind, ProvenId},
};

/// The kind of a session's handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfSession {}

impl Kind for OfSession {
    const PREFIX: &'static str = "ses_";
    const TAG_LABEL: &'static [u8] = b"session-tag";
}

/// The handle of a session, as its client holds it.
pub type SessionHandle = ProvenId<OfSession>;

/// What the store knows the session of a guest by.
pub type HandleKey = Key<OfSession>;

impl HandleKey {
    /// Returns the key of the session that the guest `openid` has.
    pub fn of(client: &ClientName, app: &AppId, openid: &str) -> Self {
        let mut hash = Sha256::new_with_prefix(b"quhao session handle");
        for part in [client.as_str(), app.as_str(), openid] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        Self::from_bytes(std::array::from_fn(|at| hash[at]))
    }
}

impl Serialize for HandleKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE32.encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for HandleKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        let bytes = BASE32.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self::from_bytes).ok_or_else(|| D::Error::custom("not the key of a handle"))
    }
}

impl IdKeys {
    /// Makes the handle of the session of the guest `openid`, with the newest secret.
    pub fn session_handle(&self, client: &ClientName, app: &AppId, openid: &str) -> SessionHandle {
        self.issue(client, app, HandleKey::of(client, app, openid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keyring::{Keyring, Secret32};

    fn keys(numbers: &[u8]) -> IdKeys {
        let entries = numbers.iter().map(|number| (*number, Secret32::new([*number; 32])));
        IdKeys::new(Keyring::new(entries.collect()).expect("distinct numbers"))
    }

    fn owner() -> (ClientName, AppId) {
        (ClientName::new("orders").expect("a name"), AppId::new("wx1").expect("an appid"))
    }

    #[test]
    fn handle_names_the_same_row_after_a_key_rotation() {
        let (client, app) = owner();
        let before = keys(&[1]).session_handle(&client, &app, "guest");
        let after = keys(&[2, 1]).session_handle(&client, &app, "guest");
        assert_ne!(before.wire(), after.wire());
        assert_eq!(before.key(), after.key());
        for handle in [before, after] {
            let found = SessionHandle::verify(&handle.wire(), &keys(&[2, 1]), &client, [&app]);
            assert_eq!(found.map(|(handle, _)| handle), Some(handle));
        }
        assert!(SessionHandle::verify(&before.wire(), &keys(&[2]), &client, [&app]).is_none());
    }

    #[test]
    fn handle_of_others_or_changed_is_refused() {
        let (client, app) = owner();
        let keys = keys(&[1]);
        let text = keys.session_handle(&client, &app, "guest").wire();
        let other = ClientName::new("elsewhere").expect("a name");
        let other_app = AppId::new("wx2").expect("an appid");
        assert!(SessionHandle::verify(&text, &keys, &other, [&app]).is_none());
        assert!(SessionHandle::verify(&text, &keys, &client, [&other_app]).is_none());
        for at in 4..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(SessionHandle::verify(&wrong, &keys, &client, [&app]).is_none(), "{wrong}");
        }
        let id = keys.derive(&client, &app, b"submission").wire();
        let as_handle = id.replacen("job_", "ses_", 1);
        assert!(SessionHandle::verify(&as_handle, &keys, &client, [&app]).is_none());
    }

    #[test]
    fn handle_as_logged_cannot_be_used() {
        let (client, app) = owner();
        let keys = keys(&[1]);
        let handle = keys.session_handle(&client, &app, "guest");
        assert!(SessionHandle::verify(&handle.to_string(), &keys, &client, [&app]).is_none());
        assert_eq!(handle.to_string(), format!("{handle:?}"));
    }
}
