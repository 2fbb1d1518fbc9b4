//! The secrets that make ids and prove them.

use subtle::ConstantTimeEq;

use super::proven::{Key, Kind, ProvenId, TAG_BYTES};
use crate::{
    crypto::keyring::{Keyring, Secret32, keyed_hash, truncated},
    domain::{app::AppId, client::ClientName},
};

/// The id secrets, newest first.
#[derive(Debug, Clone)]
pub struct IdKeys(Keyring<Secret32>);

impl IdKeys {
    /// Creates the keys that make and prove ids with the secrets of `ring`.
    pub fn new(ring: Keyring<Secret32>) -> Self {
        Self(ring)
    }

    /// Hashes `parts` with the newest secret.
    pub(super) fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let (_, secret) = self.0.newest();
        keyed_hash(secret, parts)
    }

    /// Makes the id that proves `key` for its owner, with the newest secret.
    pub(crate) fn issue<K: Kind>(
        &self,
        client: &ClientName,
        app: &AppId,
        key: Key<K>,
    ) -> ProvenId<K> {
        let (number, secret) = self.0.newest();
        let unproven = ProvenId::new(number, key, [0; TAG_BYTES]);
        ProvenId::new(number, key, tag(secret, client, app, &unproven))
    }

    /// Returns whether `id` was made here for `client` and `app`. Takes the same time for any
    /// tag.
    pub fn proves<K: Kind>(&self, id: &ProvenId<K>, client: &ClientName, app: &AppId) -> bool {
        match self.0.get(id.number()) {
            Some(secret) => tag(secret, client, app, id).ct_eq(id.tag()).into(),
            None => false,
        }
    }
}

impl<K: Kind> ProvenId<K> {
    /// Reads an id and returns it with the one of `apps` that it belongs to. `None` for
    /// anything that was not made here for this client: "not yours" and "not there" look the
    /// same.
    pub fn verify<'a, A: AsRef<AppId> + 'a>(
        text: &str,
        keys: &IdKeys,
        client: &ClientName,
        apps: impl IntoIterator<Item = &'a A>,
    ) -> Option<(Self, &'a A)> {
        let id = Self::parse_unverified(text)?;
        let app = apps.into_iter().find(|app| keys.proves(&id, client, (*app).as_ref()))?;
        Some((id, app))
    }
}

/// Computes the tag of an id, whatever tag it has.
fn tag<K: Kind>(
    secret: &Secret32,
    client: &ClientName,
    app: &AppId,
    id: &ProvenId<K>,
) -> [u8; TAG_BYTES] {
    let client = client.as_str().as_bytes();
    let app = app.as_str().as_bytes();
    let number = [id.number()];
    truncated(keyed_hash(secret, &[K::TAG_LABEL, client, app, &number, id.key().as_bytes()]))
}
