//! What a worker does while it takes nothing: it waits for the store, for its clock, or for
//! an app, a key or a version that it does not know, and goes on by itself.

use std::{sync::Arc, time::Duration};

use quhao_common::{
    queue::{Delivery, Verdict},
    registry::Registry,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Consumer, STORE_PAUSE};

/// How long a worker leaves to others what it cannot work on, before it tries again. With
/// the longest life of a job this makes some ten returns, of the twenty that a broker
/// allows.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// What this worker met and cannot work on.
#[derive(Debug)]
pub(super) struct Obstacles {
    /// Deliveries that came back before: nobody else could work on them either. Kept until
    /// the next try, or a fleet that lacks the same app would use up their returns in no
    /// time.
    held: Vec<Delivery>,
    /// Tells of every change of apps and keys.
    changes: watch::Receiver<Arc<Registry>>,
}

impl Obstacles {
    /// None yet; `changes` are looked at from now on.
    pub(super) fn new(changes: watch::Receiver<Arc<Registry>>) -> Self {
        Self { held: Vec::new(), changes }
    }

    /// Everything goes to others.
    pub(super) fn give_back(&mut self) {
        for delivery in self.held.drain(..) {
            delivery.settle(Verdict::Return);
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
        self.queue.pause_taking().await;
        for delivery in deliveries {
            if delivery.redelivered {
                obstacles.held.push(delivery);
            } else {
                delivery.settle(Verdict::Return);
            }
        }
    }

    /// Takes nothing until the store answers and nothing else is in the way. Others may be
    /// better off: what this worker has fetched goes back.
    pub(super) async fn sit_out(&self, obstacles: &mut Obstacles, draining: &CancellationToken) {
        self.queue.pause_taking().await;
        loop {
            while self.context.store.now().await.is_err() {
                tokio::select! {
                    () = tokio::time::sleep(STORE_PAUSE) => {}
                    () = draining.cancelled() => return,
                }
            }
            self.health.store_answers();
            if !self.health.is_stuck() {
                break;
            }
            self.get_unstuck(obstacles, draining).await;
            if draining.is_cancelled() {
                return;
            }
        }
        self.queue.resume_taking();
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
                    let held = std::mem::take(&mut obstacles.held);
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
