//! Asking the store whether somebody got there first.
//!
//! "Code used" is no news about the guest: another copy of this job, or another job with
//! the same code, may have spent it a moment ago and be on its way to its commit.

use std::time::Duration;

use quhao_common::{
    job::Job,
    store::{Store, StoreError, StoredSession},
    vault::{HashOf, KeyedHash},
};
use time::OffsetDateTime;
use tracing::debug;

use crate::{
    context::{Context, Taken},
    slots::{NoWait, Slot},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(400);

/// What a look found.
#[derive(Debug)]
pub enum Found {
    /// This very job has an answer.
    Answer,
    /// The code's session is stored.
    Session(StoredSession),
    /// Neither within the grace.
    Nothing,
    /// The worker is draining.
    Draining,
}

/// Looks for a sibling's answer or session until the grace is over.
pub async fn look(context: &Context, taken: &Taken, slot: &mut Slot) -> Found {
    let job = &taken.job;
    let code = job.work.code().expose().as_bytes();
    let hashes = context.vault.hashes(HashOf::LoginCode, job.app.as_str(), code);
    let mut patience = Patience::new(context, job);
    loop {
        match look_once(&context.store, job, &hashes).await {
            Ok(Some(found)) => return found,
            Ok(None) => {}
            Err(error) => patience.was_not_answered(context, job, &error),
        }
        match patience.pause(job, slot).await {
            Pause::Over => {}
            Pause::NoMore => return Found::Nothing,
            Pause::Draining => return Found::Draining,
        }
    }
}

async fn look_once(
    store: &Store,
    job: &Job,
    code_hashes: &[KeyedHash],
) -> Result<Option<Found>, StoreError> {
    if store.known(&[job.id.key()]).await?.contains(&job.id.key()) {
        return Ok(Some(Found::Answer));
    }
    let session = store.session_of_code(&job.client, &job.app, code_hashes).await?;
    Ok(session.map(Found::Session))
}

/// The guest's stored session, for a payload that the fresh key does not open. `None` if
/// there is none, or the store does not say in time.
pub async fn stored_session(
    context: &Context,
    taken: &Taken,
    slot: &mut Slot,
    openid: &str,
) -> Option<StoredSession> {
    let job = &taken.job;
    let mut patience = Patience::new(context, job);
    loop {
        match context.store.session_of_guest(&job.client, &job.app, openid).await {
            Ok(session) => return session,
            Err(error) => patience.was_not_answered(context, job, &error),
        }
        // While draining, too: the fresh session is worth more than this payload, and is
        // committed with the job's end.
        if patience.pause(job, slot).await != Pause::Over {
            return None;
        }
    }
}

/// Until when it is worth asking again.
struct Patience {
    until: OffsetDateTime,
}

#[derive(PartialEq, Eq)]
enum Pause {
    /// Ask again.
    Over,
    /// The grace or the job is over, or there is no room to wait.
    NoMore,
    Draining,
}

impl Patience {
    fn new(context: &Context, job: &Job) -> Self {
        Self { until: job.expires_at.min(OffsetDateTime::now_utc() + context.sibling_grace) }
    }

    /// The grace is for siblings, not for the store: it runs while the store answers.
    fn was_not_answered(&mut self, context: &Context, job: &Job, error: &StoreError) {
        debug!(id = %job.id, %error, "the store cannot be asked");
        *self = Self::new(context, job);
    }

    async fn pause(&self, job: &Job, slot: &mut Slot) -> Pause {
        if OffsetDateTime::now_utc() + PAUSE >= self.until {
            return Pause::NoMore;
        }
        match slot.wait(&job.app, PAUSE).await {
            Ok(()) => Pause::Over,
            Err(NoWait::Crowded) => Pause::NoMore,
            Err(NoWait::Draining) => Pause::Draining,
        }
    }
}
