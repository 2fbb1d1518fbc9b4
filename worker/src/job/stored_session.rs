//! Reads sessions that earlier jobs stored.

use std::time::{Duration, Instant};

use quhao_backend::store::{StoreError, StoredSession};
use quhao_common::{
    domain::{job::Job, session_handle::HandleKey},
    process::backoff::Backoff,
};
use time::OffsetDateTime;
use tokio::time::sleep;
use tracing::debug;

use crate::{
    context::Context,
    health::STORE_BLIP_MAX,
    job::{received::ReceivedJob, stop::Stop},
    slots::{Slot, WaitFor},
};

/// The pauses between two questions that the store does not answer.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(400), Duration::from_secs(5));

/// Returns the guest's stored session, for a payload that the fresh key does not open. Returns
/// `None` if there is none, or if the store does not answer in time.
pub(crate) async fn of_guest(
    context: &Context,
    received: &ReceivedJob,
    openid: &str,
    slot: &mut Slot,
) -> Option<StoredSession> {
    let job = &received.job;
    let ask = || context.store.session_of_guest(&job.client, &job.app, openid);
    // If it stops, by a drain too, the job goes on: the fresh session is worth more than this
    // payload, and is committed with the job's end.
    read(context, received, slot, StoreLost::KeepAsking, ask).await.unwrap_or(None)
}

/// Returns the session that the client named. Nothing is lost yet if the store cannot be asked,
/// so another worker may try.
///
/// A store that answers everything but this is no reason to requeue the job: whoever gets it
/// would fare alike, and it would come again and again until it is over the delivery limit.
pub(crate) async fn of_handle(
    context: &Context,
    received: &ReceivedJob,
    handle: HandleKey,
    slot: &mut Slot,
) -> Result<Option<StoredSession>, Stop> {
    let job = &received.job;
    let ask = || context.store.session_of_handle(&job.client, &job.app, handle);
    read(context, received, slot, StoreLost::Requeue, ask).await
}

/// What a job does when its worker cannot reach the store at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoreLost {
    /// It keeps asking.
    KeepAsking,
    /// It stops, to be requeued: another worker may reach the store.
    Requeue,
}

/// Asks until the store answers, at most until the job's deadline.
async fn read<F>(
    context: &Context,
    received: &ReceivedJob,
    slot: &mut Slot,
    store_lost: StoreLost,
    ask: impl Fn() -> F,
) -> Result<Option<StoredSession>, Stop>
where
    F: Future<Output = Result<Option<StoredSession>, StoreError>>,
{
    let job = &received.job;
    let began = Instant::now();
    let mut failures = 0;
    loop {
        match ask().await {
            Ok(session) => return Ok(session),
            Err(error) => debug!(id = %job.id, %error, "the store cannot be asked for a session"),
        }
        let may_requeue = store_lost == StoreLost::Requeue && began.elapsed() > STORE_BLIP_MAX;
        if may_requeue && is_out_of_reach(context, job).await {
            return Err(Stop::Requeue);
        }
        let remaining = job.remaining(OffsetDateTime::now_utc());
        if remaining.is_zero() {
            return Err(Stop::DeadlinePassed);
        }
        failures += 1;
        let pause = BACKOFF.pause(failures, rand::random()).min(remaining);
        let wait_for = WaitFor::Call(received.call());
        slot.wait_outside_or_in_slot(wait_for, &job.app, sleep(pause)).await?;
    }
}

/// Returns whether the store does not even answer the question without which this worker
/// starts no job: then the worker pauses, and what it requeues does not come back at once.
async fn is_out_of_reach(context: &Context, job: &Job) -> bool {
    context.store.answered(&[(job.id.key(), job.expires_at)]).await.is_err()
}
