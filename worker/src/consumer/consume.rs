//! Takes deliveries from the queue, batch by batch.

use quhao_backend::queue::Delivery;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Consumer, blockers::Blockers};
use crate::health::STORE_BLIP_MAX;

/// Deliveries that are sorted with one question to the store, at most.
const BATCH_MAX: usize = 64;

impl Consumer {
    /// Consumes deliveries until `draining`.
    pub(crate) async fn run(self, draining: CancellationToken) {
        let mut blockers = Blockers::new(self.context().live.changes());
        tokio::select! {
            // Deadlines are judged by the clock, so nothing is taken before it was
            // compared; while that takes long, nothing is fetched either.
            _ = timeout(STORE_BLIP_MAX, self.health.unblocked()) => {}
            () = draining.cancelled() => {}
        }
        self.consume(&mut blockers, &draining).await;
        self.queue.stop_consuming().await;
        self.quarantine.requeue_all(self.in_flight());
        blockers.requeue_all();
    }

    async fn consume(&self, blockers: &mut Blockers, draining: &CancellationToken) {
        while !draining.is_cancelled() {
            if self.health.is_blocked() {
                self.pause(blockers, draining).await;
                continue;
            }
            let deliveries = tokio::select! {
                deliveries = self.next() => match deliveries {
                    Some(deliveries) => deliveries,
                    None => break,
                },
                deliveries = blockers.unreadable_again() => deliveries,
                () = self.health.store_lost() => {
                    self.pause(blockers, draining).await;
                    continue;
                }
                () = self.health.blocked() => continue,
                () = draining.cancelled() => break,
            };
            if self.process(deliveries, blockers, draining).await.is_err() {
                self.pause(blockers, draining).await;
            }
        }
    }

    /// Returns the next deliveries. No slot is held while waiting: a job that waits outside may
    /// want it back. Safe to drop.
    async fn next(&self) -> Option<Vec<Delivery>> {
        let free = self.slots.wait_for_free().await;
        self.queue.next(free.min(BATCH_MAX)).await
    }
}
