//! What a worker does while it consumes nothing: it waits for the store, for its clock, or for
//! an app, a key or a version that it does not know, and goes on by itself.

use quhao_backend::queue::Delivery;
use quhao_common::domain::id::JobKey;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{BLOCKED_RETRY, Consumer, STORE_PAUSE, blockers::Blockers};
use crate::{health::StoreUse, settlement};

/// A job that does not exist, for a question to the store whose answer does not matter.
const NO_JOB: (JobKey, OffsetDateTime) = (JobKey::from_bytes([0; 16]), OffsetDateTime::UNIX_EPOCH);

impl Consumer {
    /// Requeues deliveries that this worker cannot process, but others may. Holds those that
    /// came back before.
    pub(super) async fn requeue_or_hold(&self, deliveries: Vec<Delivery>, blockers: &mut Blockers) {
        if deliveries.is_empty() {
            return;
        }
        // First, or what is requeued would come again at once.
        self.queue.pause_consuming().await;
        for delivery in deliveries {
            if delivery.redelivered {
                blockers.hold(delivery);
            } else {
                settlement::requeue([delivery]);
            }
        }
    }

    /// Consumes nothing until the store answers and nothing blocks this worker. Others may be
    /// better off: what this worker has fetched is requeued.
    pub(super) async fn pause(&self, blockers: &mut Blockers, draining: &CancellationToken) {
        self.queue.pause_consuming().await;
        self.quarantine.requeue_all(self.in_flight());
        loop {
            if draining.run_until_cancelled(self.wait_for_store()).await.is_none() {
                return;
            }
            if !self.health.is_blocked() {
                break;
            }
            self.wait_until_unblocked(blockers, draining).await;
            if draining.is_cancelled() {
                return;
            }
        }
        self.queue.resume_consuming();
    }

    async fn wait_for_store(&self) {
        while !self.is_store_back().await {
            sleep(STORE_PAUSE).await;
        }
    }

    /// Returns whether the store does again what this worker needs it for: say which jobs have
    /// an answer, and take outcomes. The writer tries a commit that failed until it succeeds.
    async fn is_store_back(&self) -> bool {
        if self.context().store.answered(&[NO_JOB]).await.is_err() {
            return false;
        }
        self.health.store_answered(StoreUse::Lookup);
        !self.health.commits_fail()
    }

    /// Waits until nothing blocks this worker any more, or so it seems: after a while it is
    /// worth another try, since the jobs that blocked it may have ended elsewhere. Returns early
    /// if the store does not answer.
    async fn wait_until_unblocked(&self, blockers: &mut Blockers, draining: &CancellationToken) {
        let retry_at = Instant::now() + BLOCKED_RETRY;
        while self.health.is_blocked() {
            tokio::select! {
                held = blockers.all_again() => {
                    self.health.clear_blockers();
                    if self.process(held, blockers, draining).await.is_err() {
                        return;
                    }
                }
                () = sleep_until(retry_at), if self.health.has_blockers() => {
                    blockers.requeue_all();
                    self.health.clear_blockers();
                }
                () = self.health.unblocked() => {}
                () = draining.cancelled() => return,
            }
        }
    }
}
