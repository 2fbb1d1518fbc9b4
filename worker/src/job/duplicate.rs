//! Looks in the store for the result of another job that spent the code.
//!
//! "Code used" says nothing about the guest. A duplicate (another delivery of this job) or a
//! rival (another job with the same code) may have spent it a moment ago, and its result may
//! be on its way to the commit.

use std::time::Duration;

use quhao_backend::store::{Store, StoreError, StoredSession};
use quhao_common::{
    crypto::vault::{HashOf, KeyedHash},
    domain::{job::Job, phone::LoginCode},
};
use time::OffsetDateTime;
use tokio::time::sleep;
use tracing::debug;

use crate::{
    context::Context,
    job::{received::ReceivedJob, stop::Stop},
    slots::{Slot, WaitFor},
};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// Waits until the grace is over for the result of a job that spent the code of `received`.
/// Returns the session that a rival stored for the login `code`, if one is given. Fails if a
/// duplicate has answered the job.
pub(crate) async fn wait_for_result(
    context: &Context,
    received: &ReceivedJob,
    code: Option<&LoginCode>,
    slot: &mut Slot,
) -> Result<Option<StoredSession>, Stop> {
    let job = &received.job;
    let vault = &received.registry.vault;
    let code_hashes = code
        .map(|code| vault.hashes(HashOf::LoginCode, job.app.as_str(), code.expose().as_bytes()));
    let mut until = grace_end(context, job);
    loop {
        match look(&context.store, job, code_hashes.as_deref()).await {
            Ok(Some(Found::Answer)) => return Err(Stop::AlreadyAnswered),
            Ok(Some(Found::Session(session))) => return Ok(Some(session)),
            Ok(None) => {}
            Err(error) => {
                debug!(id = %job.id, %error, "the store cannot be asked");
                // The grace is for the other job, not for the store: it runs while the store
                // answers.
                until = grace_end(context, job);
            }
        }
        if OffsetDateTime::now_utc() + PAUSE >= until {
            return Ok(None);
        }
        // In its slot if there is no room outside: what it looks for may be committed soon.
        let wait_for = WaitFor::Call(received.call());
        slot.wait_outside_or_in_slot(wait_for, &job.app, sleep(PAUSE)).await?;
    }
}

/// A result of another job.
enum Found {
    /// The answer of a duplicate.
    Answer,
    /// The session of a rival.
    Session(StoredSession),
}

async fn look(
    store: &Store,
    job: &Job,
    code_hashes: Option<&[KeyedHash]>,
) -> Result<Option<Found>, StoreError> {
    if !store.answered(&[(job.id.key(), job.expires_at)]).await?.is_empty() {
        return Ok(Some(Found::Answer));
    }
    let Some(code_hashes) = code_hashes else { return Ok(None) };
    let session = store.session_of_code(&job.client, &job.app, code_hashes).await?;
    Ok(session.map(Found::Session))
}

/// Returns until when it is worth looking for a result, if its grace begins now.
fn grace_end(context: &Context, job: &Job) -> OffsetDateTime {
    job.expires_at.min(OffsetDateTime::now_utc() + context.duplicate_grace)
}
