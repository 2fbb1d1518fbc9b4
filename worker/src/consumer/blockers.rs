//! The deliveries that this worker cannot process, and holds for a while.

use std::sync::Arc;

use quhao_backend::queue::Delivery;
use quhao_common::process::registry::Registry;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::error;

use super::BLOCKED_RETRY;
use crate::settlement;

/// The deliveries that this worker cannot process.
#[derive(Debug)]
pub(super) struct Blockers {
    /// The deliveries that came back before: nobody else could process them either. Held until
    /// the next try, or a fleet that lacks the same app would use up their requeues in no time.
    held: Vec<Delivery>,
    /// The dead letters that cannot be read here, which is no reason to take no jobs. Bounded by
    /// what the queue hands out of them.
    unreadable: Vec<Delivery>,
    /// Until when the unreadable ones are held.
    unreadable_until: Instant,
    /// Changes of apps and keys.
    changes: watch::Receiver<Arc<Registry>>,
}

impl Blockers {
    /// Creates an empty set that watches `changes` from now on.
    pub(super) fn new(changes: watch::Receiver<Arc<Registry>>) -> Self {
        Self { held: Vec::new(), unreadable: Vec::new(), unreadable_until: Instant::now(), changes }
    }

    /// Holds a delivery until the next try.
    pub(super) fn hold(&mut self, delivery: Delivery) {
        self.held.push(delivery);
    }

    /// Holds dead letters that cannot be read, for a while.
    pub(super) fn hold_unreadable(&mut self, unreadable: Vec<Delivery>) {
        if unreadable.is_empty() {
            return;
        }
        if self.unreadable.is_empty() {
            let retry_seconds = BLOCKED_RETRY.as_secs();
            error!(
                retry_seconds,
                "dead letters cannot be read here, for want of a key or of a newer build: left to \
                 others, or read after a reload (SIGHUP)"
            );
            self.unreadable_until = Instant::now() + BLOCKED_RETRY;
        }
        self.unreadable.extend(unreadable);
    }

    /// Waits until there are unreadable ones that may be readable now, and returns them. Those
    /// that were held for long enough are requeued meanwhile.
    pub(super) async fn unreadable_again(&mut self) -> Vec<Delivery> {
        loop {
            if self.unreadable.is_empty() {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                // The sender lives as long as this worker.
                Ok(()) = self.changes.changed() => return std::mem::take(&mut self.unreadable),
                () = sleep_until(self.unreadable_until) => {
                    settlement::requeue(self.unreadable.drain(..));
                }
            }
        }
    }

    /// Waits for a change of apps or keys, and returns everything that is held, to be tried
    /// again.
    pub(super) async fn all_again(&mut self) -> Vec<Delivery> {
        if self.changes.changed().await.is_err() {
            // The sender lives as long as this worker.
            std::future::pending::<()>().await;
        }
        let mut all = std::mem::take(&mut self.held);
        all.append(&mut self.unreadable);
        all
    }

    /// Requeues everything that is held.
    pub(super) fn requeue_all(&mut self) {
        settlement::requeue(self.held.drain(..));
        settlement::requeue(self.unreadable.drain(..));
    }
}
