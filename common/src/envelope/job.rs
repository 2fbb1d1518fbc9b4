//! What travels on the queue: a job, versioned and sealed.
//!
//! Version (1 byte), id without its tag (17), length of the appid (1), appid, then the
//! sealed job. What is in front is also the sealing's associated data, so that a body
//! cannot be passed off as another job's.

use crate::{
    crypto::vault::{AssociatedData, Vault, VaultError},
    domain::{
        id::{ID_BYTES, JobId},
        job::Job,
    },
    envelope::{batch, text::Text},
};

/// 2 added what is not a login, and callbacks: a build that knows only 1 must not touch
/// them.
const VERSION: u8 = 2;
/// Still read: what was queued before an upgrade.
const VERSION_OLDEST: u8 = 1;
/// Version, key number, key.
const FIXED_BYTES: usize = 1 + 17;

/// Why a body is not a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Made by a newer quhao: this worker must not touch it.
    #[error("envelope version {0} is unknown to this build")]
    Version(u8),
    /// Sealed with a key that this worker does not have.
    #[error("sealed with key k{0}, which [secrets] seal does not list")]
    UnknownKey(u8),
    /// Not something that a producer made.
    #[error("the envelope is damaged")]
    Damaged,
}

impl EnvelopeError {
    /// Whether another worker, or this one after a change of its configuration, could
    /// read the body. If not, nobody ever will.
    pub fn is_ours_to_mend(self) -> bool {
        !matches!(self, Self::Damaged)
    }
}

impl From<VaultError> for EnvelopeError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::UnknownKey(number) => Self::UnknownKey(number),
            VaultError::Damaged => Self::Damaged,
        }
    }
}

/// Packs and seals `job`.
pub fn seal(vault: &Vault, job: &Job) -> Vec<u8> {
    let app = job.app.as_str();
    let mut body = Vec::with_capacity(1024);
    body.push(VERSION);
    body.extend_from_slice(&job.id.bytes()[..FIXED_BYTES - 1]);
    #[expect(clippy::cast_possible_truncation, reason = "an appid has at most 64 bytes")]
    body.push(app.len() as u8);
    body.extend_from_slice(app.as_bytes());

    let sealed =
        vault.seal_json(AssociatedData { table: "queue", key: &body, app }, &Text::of(job));
    body.extend_from_slice(sealed.as_bytes());
    body
}

/// Opens a body that [`seal`] made.
pub fn open(vault: &Vault, body: &[u8]) -> Result<Job, EnvelopeError> {
    match body.first() {
        Some(VERSION_OLDEST..=VERSION) => {}
        // One that is whole was taken apart on its way here.
        _ if batch::is_bundle(body) => return Err(EnvelopeError::Damaged),
        Some(&version) => return Err(EnvelopeError::Version(version)),
        None => return Err(EnvelopeError::Damaged),
    }
    let app_bytes = usize::from(*body.get(FIXED_BYTES).ok_or(EnvelopeError::Damaged)?);
    let (head, sealed) =
        body.split_at_checked(FIXED_BYTES + 1 + app_bytes).ok_or(EnvelopeError::Damaged)?;
    let app = std::str::from_utf8(&head[FIXED_BYTES + 1..]).map_err(|_| EnvelopeError::Damaged)?;
    let text = vault.open(AssociatedData { table: "queue", key: head, app }, sealed)?;
    let text: Text<'_> = serde_json::from_slice(&text).map_err(|_| EnvelopeError::Damaged)?;
    text.job(app).ok_or(EnvelopeError::Damaged)
}

/// Whose job a body claims to be, without a tag: for a log line about one that does not
/// open. `None` if it does not even claim anything.
pub fn claimed_id(body: &[u8]) -> Option<JobId> {
    let known = body.first().is_some_and(|version| (VERSION_OLDEST..=VERSION).contains(version));
    let mut id = [0; ID_BYTES];
    id[..FIXED_BYTES - 1].copy_from_slice(body.get(1..FIXED_BYTES).filter(|_| known)?);
    Some(JobId::from_bytes(id))
}
