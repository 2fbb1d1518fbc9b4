//! The envelope of a job, versioned and sealed.
//!
//! Version (1 byte), id without its tag (17), length of the appid (1), appid, then the
//! sealed job. What precedes the sealed part is also its associated data, so that a body
//! cannot pass for another job's.

use super::{batch, error::EnvelopeError, text::Text};
use crate::{
    crypto::vault::{AssociatedData, Vault},
    domain::{
        id::{ID_BYTES, JobId},
        job::Job,
    },
};

/// Version 2 added what is not a login, and callbacks: a build that knows only version 1 must
/// not touch them.
const VERSION: u8 = 2;
/// The oldest version that is still read: what was queued before an upgrade.
const VERSION_OLDEST: u8 = 1;
/// Version, key number, key.
const FIXED_BYTES: usize = 1 + 17;
/// The name of the queue in associated data.
const TABLE: &str = "queue";

/// Packs and seals `job`.
pub fn seal(vault: &Vault, job: &Job) -> Vec<u8> {
    let app = job.app.as_str();
    let mut body = Vec::with_capacity(1024);
    body.push(VERSION);
    body.extend_from_slice(&job.id.bytes()[..FIXED_BYTES - 1]);
    #[expect(clippy::cast_possible_truncation, reason = "an appid has at most 64 bytes")]
    body.push(app.len() as u8);
    body.extend_from_slice(app.as_bytes());

    let associated_data = AssociatedData { table: TABLE, key: &body, app };
    let sealed = vault.seal_json(associated_data, &Text::of(job));
    body.extend_from_slice(sealed.as_bytes());
    body
}

/// Opens a body that [`seal`] made.
pub fn open(vault: &Vault, body: &[u8]) -> Result<Job, EnvelopeError> {
    match body.first() {
        Some(VERSION_OLDEST..=VERSION) => {}
        // A batch that is whole was unpacked before.
        _ if batch::is_batch(body) => return Err(EnvelopeError::Damaged),
        Some(&version) => return Err(EnvelopeError::Version(version)),
        None => return Err(EnvelopeError::Damaged),
    }
    let app_bytes = usize::from(*body.get(FIXED_BYTES).ok_or(EnvelopeError::Damaged)?);
    let (head, sealed) =
        body.split_at_checked(FIXED_BYTES + 1 + app_bytes).ok_or(EnvelopeError::Damaged)?;
    let app = std::str::from_utf8(&head[FIXED_BYTES + 1..]).map_err(|_| EnvelopeError::Damaged)?;
    let text = vault.open(AssociatedData { table: TABLE, key: head, app }, sealed)?;
    let text: Text<'_> = serde_json::from_slice(&text).map_err(|_| EnvelopeError::Damaged)?;
    text.job(app).ok_or(EnvelopeError::Damaged)
}

/// Returns the id that a body claims to have, with an empty tag: for a log line about a body
/// that does not open. `None` if it does not claim any.
pub fn claimed_id(body: &[u8]) -> Option<JobId> {
    let version = body.first()?;
    if !(VERSION_OLDEST..=VERSION).contains(version) {
        return None;
    }
    let mut id = [0; ID_BYTES];
    id[..FIXED_BYTES - 1].copy_from_slice(body.get(1..FIXED_BYTES)?);
    Some(JobId::from_bytes(id))
}
