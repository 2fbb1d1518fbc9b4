//! What a worker does while it takes nothing: it waits for the store, for its clock, or for
//! an app, a key or a version that it does not know, and goes on by itself.

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::{Delivery, Disposition};
use quhao_common::{domain::id::JobKey, process::registry::Registry};
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Consumer, STORE_PAUSE};
use crate::health::StoreUse;

/// How long a worker leaves to others what it cannot work on, before it tries again. With
/// the longest life of a job this makes some ten returns, of the twenty that a broker
/// allows.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// A copy to ask the store for when it is the asking that matters.
const NOBODYS: (JobKey, OffsetDateTime) = (JobKey::from_bytes([0; 16]), OffsetDateTime::UNIX_EPOCH);

/// What this worker met and cannot work on.
#[derive(Debug)]
pub(super) struct Obstacles {
    /// Deliveries that came back before: nobody else could work on them either. Kept until
    /// the next try, or a fleet that lacks the same app would use up their returns in no
    /// time.
    held: Vec<Delivery>,
    /// What was set aside and cannot be read here: no reason to take no jobs. Bounded by
    /// what the queue hands out of it.
    unread: Vec<Delivery>,
    /// Until when the unread ones are kept.
    unread_until: Instant,
    /// Tells of every change of apps and keys.
    changes: watch::Receiver<Arc<Registry>>,
}

impl Obstacles {
    /// None yet; `changes` are looked at from now on.
    pub(super) fn new(changes: watch::Receiver<Arc<Registry>>) -> Self {
        let (held, unread, unread_until) = (Vec::new(), Vec::new(), Instant::now());
        Self { held, unread, unread_until, changes }
    }

    /// Everything goes to others.
    pub(super) fn give_back(&mut self) {
        for delivery in self.held.drain(..).chain(self.unread.drain(..)) {
            delivery.settle(Disposition::Requeue);
        }
    }

    /// Keeps what was set aside and cannot be read, for a while.
    pub(super) fn keep_unread(&mut self, unread: Vec<Delivery>) {
        if unread.is_empty() {
            return;
        }
        if self.unread.is_empty() {
            let again_seconds = TRY_AGAIN.as_secs();
            error!(
                again_seconds,
                "what was set aside cannot be read here, for want of a key or of a newer build; \
                 it is left to others"
            );
            self.unread_until = Instant::now() + TRY_AGAIN;
        }
        self.unread.extend(unread);
    }

    /// Waits until there are unread ones that may be readable now. Those that were kept for
    /// long enough go to others meanwhile.
    pub(super) async fn unread_again(&mut self) -> Vec<Delivery> {
        loop {
            if self.unread.is_empty() {
                std::future::pending::<()>().await;
            }
            tokio::select! {
                // The sender lives as long as this worker.
                Ok(()) = self.changes.changed() => return std::mem::take(&mut self.unread),
                () = sleep_until(self.unread_until) => {
                    for delivery in self.unread.drain(..) {
                        delivery.settle(Disposition::Requeue);
                    }
                }
            }
        }
    }
}

impl Consumer {
    /// Notes what is in the way of working on a delivery: no more is taken until it is
    /// gone.
    pub(super) fn get_stuck(&self, reason: &str) {
        if self.health.obstacle(reason) {
            let again_seconds = TRY_AGAIN.as_secs();
            error!(
                reason,
                again_seconds,
                "this worker takes no more jobs until a SIGHUP brings what it lacks, or until its \
                 next try"
            );
        }
    }

    /// Deals with deliveries that this worker cannot work on, but others might.
    pub(super) async fn leave(&self, deliveries: Vec<Delivery>, obstacles: &mut Obstacles) {
        if deliveries.is_empty() {
            return;
        }
        // First, or what goes back would come again at once.
        self.queue.pause_consuming().await;
        for delivery in deliveries {
            if delivery.redelivered {
                obstacles.held.push(delivery);
            } else {
                delivery.settle(Disposition::Requeue);
            }
        }
    }

    /// Takes nothing until the store answers and nothing else is in the way. Others may be
    /// better off: what this worker has fetched goes back.
    pub(super) async fn sit_out(&self, obstacles: &mut Obstacles, draining: &CancellationToken) {
        self.queue.pause_consuming().await;
        self.suspects.give_back(&self.starter.in_flight);
        loop {
            let answers = async {
                while !self.store_is_back().await {
                    tokio::time::sleep(STORE_PAUSE).await;
                }
            };
            if draining.run_until_cancelled(answers).await.is_none() {
                return;
            }
            if !self.health.is_stuck() {
                break;
            }
            self.get_unstuck(obstacles, draining).await;
            if draining.is_cancelled() {
                return;
            }
        }
        self.queue.resume_consuming();
    }

    /// Whether the store does again what this worker needs it for: tell which jobs have an
    /// answer, and take outcomes. A commit that failed is tried by the writer until it
    /// succeeds.
    async fn store_is_back(&self) -> bool {
        if self.context().store.answered(&[NOBODYS]).await.is_err() {
            return false;
        }
        self.health.store_answers(StoreUse::Look);
        !self.health.commits_fail()
    }

    /// Waits until nothing is in the way any more, or so it seems: after a while it is
    /// worth another try, since the jobs that were in the way may have ended elsewhere.
    async fn get_unstuck(&self, obstacles: &mut Obstacles, draining: &CancellationToken) {
        let again = Instant::now() + TRY_AGAIN;
        while self.health.is_stuck() {
            tokio::select! {
                // The sender lives as long as this worker.
                Ok(()) = obstacles.changes.changed() => {
                    self.health.forget_obstacles();
                    let mut held = std::mem::take(&mut obstacles.held);
                    held.append(&mut obstacles.unread);
                    if !self.gulp(held, obstacles, draining).await {
                        return;
                    }
                }
                () = tokio::time::sleep_until(again), if self.health.has_obstacles() => {
                    obstacles.give_back();
                    self.health.forget_obstacles();
                }
                () = self.health.until(false) => {}
                () = draining.cancelled() => return,
            }
        }
    }
}
