//! Takes deliveries, sorts out those that need no work, and sees the others through.

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::{DeadLetterReason, Delivery, Disposition, Lane, Queue};
use quhao_common::{
    domain::job::Job,
    envelope,
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    consumer::quarantine::Suspects,
    context::{Context, Taken},
    health::{Health, STORE_BLIP_MAX},
    job::run::Starter,
    slots::Slots,
};

mod dead_letters;
mod pause;
pub mod quarantine;
mod start;

use self::pause::Obstacles;

/// Deliveries that are sorted out with one question to the store.
const GULP_MAX: usize = 64;
/// Between two questions while the store is out of reach.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// The consuming side of a worker.
#[derive(Debug)]
pub struct Consumer {
    /// Where deliveries come from.
    pub queue: Arc<Queue>,
    /// What begins the work on a job.
    pub starter: Starter,
    /// How many at once.
    pub slots: Arc<Slots>,
    /// Those that are worked on one by one.
    pub suspects: Arc<Suspects>,
    /// What to tell an operator.
    pub health: Arc<Health>,
}

/// What a gulp is sorted into.
#[derive(Debug, Default)]
struct Sorted {
    /// Jobs to be worked on, unless they have an answer.
    taken: Vec<(Taken, Delivery)>,
    /// What others may be able to work on.
    left: Vec<Delivery>,
    /// What was set aside, and others may be able to read.
    unread: Vec<Delivery>,
    /// Jobs that were set aside, to be buried unless they have an answer.
    dead: Vec<Dead>,
}

/// A job that was set aside.
#[derive(Debug)]
struct Dead {
    job: Box<Job>,
    death: DeadLetterReason,
    delivery: Delivery,
}

impl Consumer {
    /// Takes deliveries until `draining`.
    pub async fn run(self, draining: CancellationToken) {
        let mut obstacles = Obstacles::new(self.context().live.changes());
        tokio::select! {
            // Deadlines are judged by the clock, so nothing is taken before it was
            // compared; while that takes long, nothing is fetched either.
            _ = timeout(STORE_BLIP_MAX, self.health.until(false)) => {}
            () = draining.cancelled() => {}
        }
        self.take(&mut obstacles, &draining).await;
        self.queue.stop_consuming().await;
        self.suspects.give_back(&self.starter.in_flight);
        obstacles.give_back();
    }

    async fn take(&self, obstacles: &mut Obstacles, draining: &CancellationToken) {
        while !draining.is_cancelled() {
            if self.health.is_stuck() {
                self.sit_out(obstacles, draining).await;
                continue;
            }
            let deliveries = tokio::select! {
                deliveries = self.next() => match deliveries {
                    Some(deliveries) => deliveries,
                    None => break,
                },
                again = obstacles.unread_again() => again,
                () = self.health.store_lost() => {
                    self.sit_out(obstacles, draining).await;
                    continue;
                }
                () = self.health.until(true) => continue,
                () = draining.cancelled() => break,
            };
            if !self.gulp(deliveries, obstacles, draining).await {
                self.sit_out(obstacles, draining).await;
            }
        }
    }

    /// The next deliveries. No slot is held while waiting: a job in the side list may want
    /// it back. Safe to drop.
    async fn next(&self) -> Option<Vec<Delivery>> {
        let free = self.slots.free().await;
        self.queue.next(free.min(GULP_MAX)).await
    }

    /// Sorts deliveries out and starts what there is to work on. False if the store does
    /// not answer.
    async fn gulp(
        &self,
        deliveries: Vec<Delivery>,
        obstacles: &mut Obstacles,
        draining: &CancellationToken,
    ) -> bool {
        let registry = self.context().live.now();
        let mut sorted = Sorted::default();
        for delivery in deliveries {
            match delivery.lane {
                Lane::Jobs { .. } => self.sort(&registry, delivery, &mut sorted),
                Lane::Outcomes => self.resume(&registry, delivery, &mut sorted),
                Lane::DeadLetters(death) => self.open_dead(&registry, death, delivery, &mut sorted),
            }
        }
        let Sorted { taken, left, unread, dead } = sorted;
        obstacles.keep_unread(unread);
        self.leave(left, obstacles).await;
        self.bury(&registry, dead, draining).await;
        taken.is_empty() || self.start_unknown(taken, draining).await
    }

    /// Sorts a job out.
    fn sort(&self, registry: &Arc<Registry>, delivery: Delivery, sorted: &mut Sorted) {
        let (now, redelivered) = (OffsetDateTime::now_utc(), delivery.redelivered);
        let opened = self.open(registry, delivery, sorted);
        let Some((job, delivery)) = opened else { return };
        let queued = (now - job.created_at).try_into().unwrap_or(Duration::ZERO);
        metrics::taken(queued, redelivered);
        if job.remaining(now).is_zero() && !must_tell(registry, &job) {
            // No row: whoever asks is told by the deadline in the poll URL.
            metrics::skipped("expired");
            return delivery.settle(Disposition::Ack);
        }
        let Some(ready) = self.prepare(registry, job, redelivered) else {
            return sorted.left.push(delivery);
        };
        // Entered before the store is asked: a copy that comes later either finds this
        // entry, or asks after the commit that removed it.
        let (key, expires_at) = (ready.job.id.key(), ready.job.expires_at);
        if let Some(delivery) = self.starter.in_flight.enter(key, expires_at, delivery) {
            sorted.taken.push((ready, delivery));
        }
    }

    /// The job inside, or `None` after having dealt with a body that cannot be read.
    fn open(
        &self,
        registry: &Registry,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) -> Option<(Job, Delivery)> {
        match envelope::job::open(&registry.vault, &delivery.body) {
            Ok(job) => return Some((job, delivery)),
            Err(error) if error.is_ours_to_mend() => {
                self.get_stuck(&error.to_string());
                sorted.left.push(delivery);
            }
            Err(error) => {
                let id = envelope::job::claimed_id(&delivery.body).map(|id| id.to_string());
                error!(id, %error, "a delivery is unreadable and is set aside");
                metrics::skipped("damaged");
                delivery.settle(Disposition::DeadLetter);
            }
        }
        None
    }

    fn prepare(&self, registry: &Arc<Registry>, job: Job, redelivered: bool) -> Option<Taken> {
        let app = registry.directory.app_of(&job.client, &job.app);
        let Some(app) = app else {
            self.get_stuck(&format!("app {} is not configured for its client", job.app));
            return None;
        };
        let Some(platform) = self.context().platforms.get(&app.platform) else {
            self.get_stuck(&format!("platform {} is not part of this build", app.platform));
            return None;
        };
        let (app, platform) = (Arc::clone(app), Arc::clone(platform));
        let (registry, taken_at) = (Arc::clone(registry), OffsetDateTime::now_utc());
        Some(Taken { job, registry, app, platform, taken_at, redelivered })
    }

    fn context(&self) -> &Arc<Context> {
        &self.starter.context
    }
}

/// Whether somebody is to be told that `job` came too late: then it gets an answer like any
/// other, which is made without a call.
fn must_tell(registry: &Registry, job: &Job) -> bool {
    // A job of an app that nobody knows any more is no reason to stop when it is over.
    job.callback_url.is_some() && registry.directory.app_of(&job.client, &job.app).is_some()
}
