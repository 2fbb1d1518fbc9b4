//! Ids that prove themselves.
//!
//! A prefix such as `job_` and 40 characters of lower-case Crockford base32: key number (1
//! byte), key (16), tag (8). A job's key is a keyed hash of the submission, so the same
//! submission is the same job on whichever producer it lands. The tag binds an id to client
//! and app: an id that is made up or another client's is refused without asking the store.

mod id_keys;
mod proven;

pub use self::{
    id_keys::IdKeys,
    proven::{Key, Kind, ProvenId},
};

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub(crate) use self::proven::{BASE32, ID_BYTES, KEY_BYTES};
use crate::{
    crypto::keyring::truncated,
    domain::{app::AppId, client::ClientName},
};

/// The kind of a job's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfJob {}

impl Kind for OfJob {
    const PREFIX: &'static str = "job_";
    const TAG_LABEL: &'static [u8] = b"tag";
}

/// A job's id.
pub type JobId = ProvenId<OfJob>;

/// What queue and store know a job by: the keyed hash of its submission.
pub type JobKey = Key<OfJob>;

impl IdKeys {
    /// Makes the id of `submission` (canonical, see [`crate::domain::job::IdInput`]) with
    /// the newest secret.
    pub fn derive(&self, client: &ClientName, app: &AppId, submission: &[u8]) -> JobId {
        let owner = [client.as_str().as_bytes(), app.as_str().as_bytes()];
        let hash = self.hash(&[b"job", owner[0], owner[1], submission]);
        self.issue(client, app, JobKey::from_bytes(truncated(hash)))
    }
}

/// The whole id, tag included: for sealed places only.
impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.wire())
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse_unverified(&text).ok_or_else(|| D::Error::custom("not the id of a job"))
    }
}

/// Reads key number and key out of the text of a job's id, with its tag or without, as logs
/// show it. For an operator's look-up; it proves nothing.
pub fn parse_for_operator(text: &str) -> Option<(u8, JobKey)> {
    if let Some(id) = JobId::parse_unverified(text) {
        return Some((id.number(), id.key()));
    }
    let bytes = BASE32.decode(text.strip_prefix(OfJob::PREFIX)?.as_bytes()).ok()?;
    let bytes = <[u8; 1 + KEY_BYTES]>::try_from(bytes).ok()?;
    Some((bytes[0], JobKey::from_bytes(std::array::from_fn(|at| bytes[1 + at]))))
}

#[cfg(test)]
mod tests;
