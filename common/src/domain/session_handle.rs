//! The handle of a stored session: proves itself as the id of a job does, and holds
//! nothing secret.
//!
//! `ses_` and 40 characters of lower-case Crockford base32: key number (1 byte), key (16),
//! tag (8). The key is a hash of client, app and openid without a secret in it, so that it
//! stays the same when the id secrets rotate; the tag makes it worth something.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use sha2::{Digest, Sha256};

use crate::domain::{
    app::{AppId, ClientName},
    id::{BASE32, IdKeys, KEY_BYTES, Kind, Proof},
};

/// Another label than a job's, so that no id passes for a handle.
const KIND: Kind = Kind { prefix: "ses_", label: b"session-tag" };

/// What the store knows a guest's session by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandleKey([u8; KEY_BYTES]);

impl HandleKey {
    /// The key of the session that this guest has.
    pub fn of(client: &ClientName, app: &AppId, openid: &str) -> Self {
        let mut hash = Sha256::new_with_prefix(b"quhao session handle");
        for part in [client.as_str(), app.as_str(), openid] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        Self(std::array::from_fn(|at| hash[at]))
    }

    /// A key as it was stored.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Serialize for HandleKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE32.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for HandleKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        let bytes = BASE32.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| D::Error::custom("not the key of a handle"))
    }
}

impl fmt::Debug for HandleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", BASE32.encode(&self.0))
    }
}

/// A handle. `Display` and `Debug` leave the tag out; [`SessionHandle::wire`] is for the
/// client alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionHandle(Proof);

impl SessionHandle {
    /// The key in the store.
    pub fn key(&self) -> HandleKey {
        HandleKey(self.0.key())
    }

    /// The whole handle, as clients hold it.
    pub fn wire(&self) -> String {
        self.0.wire(KIND)
    }

    pub(crate) fn parse_unverified(text: &str) -> Option<Self> {
        Proof::parse_unverified(KIND, text).map(Self)
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.tagless(KIND))
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl IdKeys {
    /// The handle of this guest's session, under the newest secret.
    pub fn session_handle(&self, client: &ClientName, app: &AppId, openid: &str) -> SessionHandle {
        let HandleKey(key) = HandleKey::of(client, app, openid);
        self.remember(&key, app);
        SessionHandle(self.prove(KIND, (client, app), key))
    }

    /// Reads a handle and says which of `apps` it belongs to. `None` for anything that was
    /// not made here for this client. Constant time in the tag.
    pub fn verify_session<'a, A: AsRef<AppId> + 'a>(
        &self,
        text: &str,
        client: &ClientName,
        apps: impl IntoIterator<Item = &'a A>,
    ) -> Option<(SessionHandle, &'a A)> {
        let handle = SessionHandle::parse_unverified(text)?;
        let proves = |app: &AppId| self.holds(KIND, &handle.0, (client, app));
        let app = apps.into_iter().find(|app| proves((*app).as_ref()))?;
        self.remember(&handle.0.key(), app.as_ref());
        Some((handle, app))
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
    fn a_handle_survives_the_rotation_of_the_secrets_and_names_the_same_row() {
        let (client, app) = owner();
        let before = keys(&[1]).session_handle(&client, &app, "guest");
        let after = keys(&[2, 1]).session_handle(&client, &app, "guest");
        assert_ne!(before.wire(), after.wire());
        assert_eq!(before.key(), after.key());
        for handle in [before, after] {
            let found = keys(&[2, 1]).verify_session(&handle.wire(), &client, [&app]);
            assert_eq!(found.map(|(handle, _)| handle), Some(handle));
        }
        assert!(keys(&[2]).verify_session(&before.wire(), &client, [&app]).is_none());
    }

    #[test]
    fn a_handle_is_worth_nothing_to_others_or_when_it_is_changed() {
        let (client, app) = owner();
        let keys = keys(&[1]);
        let text = keys.session_handle(&client, &app, "guest").wire();
        let other = ClientName::new("elsewhere").expect("a name");
        let other_app = AppId::new("wx2").expect("an appid");
        assert!(keys.verify_session(&text, &other, [&app]).is_none());
        assert!(keys.verify_session(&text, &client, [&other_app]).is_none());
        for at in 4..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(keys.verify_session(&wrong, &client, [&app]).is_none(), "{wrong}");
        }
        let id = keys.derive(&client, &app, b"submission").wire();
        let as_handle = id.replacen("job_", "ses_", 1);
        assert!(keys.verify_session(&as_handle, &client, [&app]).is_none());
    }

    #[test]
    fn a_handle_in_a_log_cannot_be_used() {
        let (client, app) = owner();
        let keys = keys(&[1]);
        let handle = keys.session_handle(&client, &app, "guest");
        assert!(keys.verify_session(&handle.to_string(), &client, [&app]).is_none());
        assert_eq!(handle.to_string(), format!("{handle:?}"));
    }
}
