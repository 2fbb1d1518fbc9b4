//! The id of a job proves itself.
//!
//! `job_` and 40 characters of lower-case Crockford base32: key number (1 byte), key
//! (16), tag (8). The key is a keyed hash of the submission, so the same submission is
//! the same job on whichever producer it lands. The tag binds the id to client and app:
//! a made-up or foreign id is refused without asking the store.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub(crate) use self::proof::{BASE32, ID_BYTES, KEY_BYTES, Kind, Proof};
use self::recent::Recent;
use crate::{
    crypto::keyring::{Keyring, Secret32, keyed_hash, truncated},
    domain::app::{AppId, ClientName},
};

mod proof;
mod recent;

const KIND: Kind = Kind { prefix: "job_", label: b"tag" };

/// What the store and the queue know a job by: the keyed hash of its submission.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey([u8; KEY_BYTES]);

impl JobKey {
    /// A key as it was stored.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", BASE32.encode(&self.0))
    }
}

/// A job's id. `Display` and `Debug` leave the tag out, which is what logs, spans and
/// broker properties may carry; [`JobId::wire`] is for the client alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(Proof);

impl JobId {
    /// The key in the store.
    pub fn key(&self) -> JobKey {
        JobKey(self.0.key())
    }

    /// The whole id, tag and all, as clients hold it.
    pub fn wire(&self) -> String {
        self.0.wire(KIND)
    }

    /// Key number, key and tag, as an envelope carries them.
    pub fn bytes(&self) -> [u8; ID_BYTES] {
        self.0.bytes()
    }

    /// The inverse of [`JobId::bytes`]. Proves nothing; see [`IdKeys::verify`].
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(Proof::from_bytes(bytes))
    }

    /// Reads the text of an id without judging its tag. `None` if it is not one.
    pub fn parse_unverified(text: &str) -> Option<Self> {
        Proof::parse_unverified(KIND, text).map(Self)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.tagless(KIND))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whole, tag and all: for sealed places only.
impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.wire())
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse_unverified(&text).ok_or_else(|| D::Error::custom("not the id of a job"))
    }
}

/// Key number and key out of an id's text, whether it is whole or the tagless form of
/// the logs. For an operator's look-up; it proves nothing.
pub fn parse_for_operator(text: &str) -> Option<(u8, JobKey)> {
    if let Some(id) = JobId::parse_unverified(text) {
        return Some((id.0.number(), id.key()));
    }
    let bytes = BASE32.decode(text.strip_prefix(KIND.prefix)?.as_bytes()).ok()?;
    let bytes = <[u8; 1 + KEY_BYTES]>::try_from(bytes).ok()?;
    Some((bytes[0], JobKey(std::array::from_fn(|at| bytes[1 + at]))))
}

/// The id secrets, newest first.
#[derive(Clone)]
pub struct IdKeys {
    ring: Keyring<Secret32>,
    recent: Arc<Recent>,
}

impl fmt::Debug for IdKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IdKeys").field(&self.ring).finish()
    }
}

impl IdKeys {
    /// Ids made and judged with `ring`.
    pub fn new(ring: Keyring<Secret32>) -> Self {
        Self { ring, recent: Arc::new(Recent::new()) }
    }

    /// The id of `submission` (canonical, see [`crate::domain::job::IdInput`]) under the
    /// newest secret.
    pub fn derive(&self, client: &ClientName, app: &AppId, submission: &[u8]) -> JobId {
        let (_, secret) = self.ring.newest();
        let hash = keyed_hash(
            secret,
            &[b"job", client.as_str().as_bytes(), app.as_str().as_bytes(), submission],
        );
        let key = truncated(hash);
        self.remember(&key, app);
        JobId(self.prove(KIND, (client, app), key))
    }

    /// That `key` was made here for its owner, under the newest secret.
    pub(crate) fn prove(
        &self,
        kind: Kind,
        owner: (&ClientName, &AppId),
        key: [u8; KEY_BYTES],
    ) -> Proof {
        Proof::new(kind, &self.ring, owner, key)
    }

    /// Whether `proof` holds for `owner`. Constant time in its tag.
    pub(crate) fn holds(&self, kind: Kind, proof: &Proof, owner: (&ClientName, &AppId)) -> bool {
        proof.holds(kind, &self.ring, owner)
    }

    /// Notes whose `key` is, for [`IdKeys::recent_app`].
    pub(crate) fn remember(&self, key: &[u8; KEY_BYTES], app: &AppId) {
        self.recent.remember(key, app);
    }

    /// The app whose id or handle with this `key` was made or proved here lately. A hint,
    /// which proves nothing.
    pub(crate) fn recent_app(&self, key: &[u8; KEY_BYTES]) -> Option<AppId> {
        self.recent.app_of(key)
    }

    /// Whether `id` was made here for `client` and `app`. Constant time in the tag.
    pub fn proves(&self, id: &JobId, client: &ClientName, app: &AppId) -> bool {
        self.holds(KIND, &id.0, (client, app))
    }

    /// Reads an id and says which of `apps` it belongs to. `None` for anything that was
    /// not made here for this client: "not yours" and "not there" look the same.
    pub fn verify<'a, A: AsRef<AppId> + 'a>(
        &self,
        text: &str,
        client: &ClientName,
        apps: impl IntoIterator<Item = &'a A>,
    ) -> Option<(JobId, &'a A)> {
        let id = JobId::parse_unverified(text)?;
        let app = apps.into_iter().find(|app| self.proves(&id, client, (*app).as_ref()))?;
        self.remember(&id.0.key(), app.as_ref());
        Some((id, app))
    }
}
