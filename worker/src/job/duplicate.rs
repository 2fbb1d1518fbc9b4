//! Asking the store whether somebody got there first.
//!
//! "Code used" is no news about the guest: another copy of this job, or another job with
//! the same code, may have spent it a moment ago and be on its way to its commit.

use std::time::{Duration, Instant};

use quhao_backend::store::{Store, StoreError, StoredSession};
use quhao_common::{
    crypto::vault::{HashOf, KeyedHash},
    domain::{
        job::{Job, Work},
        phone::LoginCode,
        session_handle::HandleKey,
    },
    process::backoff::Backoff,
};
use time::OffsetDateTime;
use tracing::debug;

use crate::{
    context::{Context, Taken},
    health::STORE_BLIP_MAX,
    platform::Call,
    slots::{List, Slot},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(400);
/// Between two questions that the store does not answer.
const BACKOFF: Backoff = Backoff::new(PAUSE, Duration::from_secs(5));

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

/// Looks for a sibling's answer, or the session of its login code, until the grace is over.
pub async fn look(
    context: &Context,
    taken: &Taken,
    code: Option<&LoginCode>,
    slot: &mut Slot,
) -> Found {
    let job = &taken.job;
    let hashes = code.map(|code| {
        let (vault, code) = (&taken.registry.vault, code.expose().as_bytes());
        vault.hashes(HashOf::LoginCode, job.app.as_str(), code)
    });
    let mut patience = Patience::new(context, job);
    loop {
        match look_once(&context.store, job, hashes.as_deref()).await {
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
    code_hashes: Option<&[KeyedHash]>,
) -> Result<Option<Found>, StoreError> {
    if !store.answered(&[(job.id.key(), job.expires_at)]).await?.is_empty() {
        return Ok(Some(Found::Answer));
    }
    let Some(code_hashes) = code_hashes else { return Ok(None) };
    let session = store.session_of_code(&job.client, &job.app, code_hashes).await?;
    Ok(session.map(Found::Session))
}

/// What a look for a stored session found.
#[derive(Debug)]
pub enum Looked {
    /// It is stored.
    Found(StoredSession),
    /// It is not.
    None,
    /// The store did not say before the job's end.
    TooLate,
    /// The store has been out of reach for longer than a blip: another worker may reach it.
    Elsewhere,
    /// The worker is draining.
    Draining,
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
    let asking = || context.store.session_of_guest(&job.client, &job.app, openid);
    // While draining, too: the fresh session is worth more than this payload, and is
    // committed with the job's end.
    match ask(context, job, slot, Unreachable::Wait, asking).await {
        Looked::Found(session) => Some(session),
        Looked::None | Looked::TooLate | Looked::Elsewhere | Looked::Draining => None,
    }
}

/// The session that the client named. Nothing is lost yet when the store cannot be asked.
///
/// A store that tells nothing but sessions is no reason to give the job back: whoever gets it
/// would fare alike, and it would come again and again, until it is over the delivery limit.
pub async fn session_of_handle(
    context: &Context,
    taken: &Taken,
    handle: HandleKey,
    slot: &mut Slot,
) -> Looked {
    let job = &taken.job;
    let asking = || context.store.session_of_handle(&job.client, &job.app, handle);
    ask(context, job, slot, Unreachable::LeaveToOthers, asking).await
}

/// What a job does when its worker cannot reach the store at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unreachable {
    Wait,
    LeaveToOthers,
}

/// Asks until the store answers, at most until the job's end.
async fn ask<F>(
    context: &Context,
    job: &Job,
    slot: &mut Slot,
    unreachable: Unreachable,
    asking: impl Fn() -> F,
) -> Looked
where
    F: Future<Output = Result<Option<StoredSession>, StoreError>>,
{
    let (began, mut failures) = (Instant::now(), 0);
    loop {
        match asking().await {
            Ok(Some(session)) => return Looked::Found(session),
            Ok(None) => return Looked::None,
            Err(error) => debug!(id = %job.id, %error, "the store cannot be asked for a session"),
        }
        let may_leave = unreachable == Unreachable::LeaveToOthers;
        if may_leave && began.elapsed() > STORE_BLIP_MAX && is_out_of_reach(context, job).await {
            return Looked::Elsewhere;
        }
        let remaining = job.remaining(OffsetDateTime::now_utc());
        if remaining.is_zero() {
            return Looked::TooLate;
        }
        failures += 1;
        let pause = BACKOFF.pause(failures, rand::random()).min(remaining);
        if slot.wait_anyhow(list(job), &job.app, pause).await.is_none() {
            return Looked::Draining;
        }
    }
}

/// Whether the store does not even tell what this worker starts no job without: then it takes
/// none, and what it gives back does not come again at once.
async fn is_out_of_reach(context: &Context, job: &Job) -> bool {
    context.store.answered(&[(job.id.key(), job.expires_at)]).await.is_err()
}

/// Where `job` waits: what it looks for is in place of its call.
fn list(job: &Job) -> List {
    List::Later(match job.work {
        Work::PhoneCode { .. } => Call::Redeem,
        Work::Login { .. } | Work::LoginAndDecrypt { .. } | Work::StoredSession { .. } => {
            Call::Exchange
        }
    })
}

/// Until when it is worth asking again.
struct Patience {
    until: OffsetDateTime,
}

#[derive(PartialEq, Eq)]
enum Pause {
    /// Ask again.
    Over,
    /// The grace or the job is over.
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

    /// Waits, in its slot if there is no room elsewhere: what is looked for may be committed
    /// in a moment.
    async fn pause(&self, job: &Job, slot: &mut Slot) -> Pause {
        if OffsetDateTime::now_utc() + PAUSE >= self.until {
            return Pause::NoMore;
        }
        match slot.wait_anyhow(list(job), &job.app, PAUSE).await {
            Some(()) => Pause::Over,
            None => Pause::Draining,
        }
    }
}
