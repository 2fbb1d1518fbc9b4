//! Takes deliveries, sorts out those that need no work, and sees the others through.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::{
    envelope,
    id::JobKey,
    job::Job,
    metrics,
    queue::{Delivery, Queue, Verdict},
    registry::Registry,
};
use time::OffsetDateTime;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, error, info_span, warn};

use crate::{
    attempt::Attempt,
    context::{Context, Taken},
    health::{Health, STORE_BLIP_MAX},
    in_flight::InFlight,
    slots::{Slot, Slots},
    writer::Item,
};

mod standstill;

use self::standstill::Obstacles;

/// Deliveries that are sorted out with one question to the store.
const GULP_MAX: usize = 64;
/// Between two questions while the store is out of reach.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// The consuming side of a worker.
#[derive(Debug)]
pub struct Consumer {
    /// Where deliveries come from.
    pub queue: Arc<Queue>,
    /// What jobs are worked on with.
    pub context: Arc<Context>,
    /// How many at once.
    pub slots: Arc<Slots>,
    /// Which ones are being worked on.
    pub in_flight: Arc<InFlight>,
    /// What to tell an operator.
    pub health: Arc<Health>,
    /// The jobs' tasks.
    pub tasks: TaskTracker,
    /// Where outcomes go.
    pub writer: mpsc::Sender<Item>,
}

impl Consumer {
    /// Takes deliveries until `draining`.
    pub async fn run(self, draining: CancellationToken) {
        let mut obstacles = Obstacles::new(self.context.live.changes());
        tokio::select! {
            // Deadlines are judged by the clock, so nothing is taken before it was
            // compared; while that takes long, nothing is fetched either.
            _ = timeout(STORE_BLIP_MAX, self.health.until(false)) => {}
            () = draining.cancelled() => {}
        }
        self.take(&mut obstacles, &draining).await;
        self.queue.stop_taking().await;
        obstacles.give_back();
    }

    async fn take(&self, obstacles: &mut Obstacles, draining: &CancellationToken) {
        while !draining.is_cancelled() {
            if self.health.is_stuck() {
                self.sit_out(obstacles, draining).await;
                continue;
            }
            tokio::select! {
                deliveries = self.next() => match deliveries {
                    Some(deliveries) => {
                        if !self.gulp(deliveries, obstacles, draining).await {
                            self.sit_out(obstacles, draining).await;
                        }
                    }
                    None => break,
                },
                () = self.health.store_lost() => self.sit_out(obstacles, draining).await,
                () = self.health.until(true) => {}
                () = draining.cancelled() => {}
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
    /// not answer: then nothing was started.
    async fn gulp(
        &self,
        deliveries: Vec<Delivery>,
        obstacles: &mut Obstacles,
        draining: &CancellationToken,
    ) -> bool {
        let now = OffsetDateTime::now_utc();
        let registry = self.context.live.now();
        let (mut taken, mut left) = (Vec::with_capacity(deliveries.len()), Vec::new());
        for delivery in deliveries {
            let redelivered = delivery.redelivered;
            let opened = self.open(&registry, delivery, &mut left);
            let Some((job, delivery)) = opened else { continue };
            let queued = (now - job.created_at).try_into().unwrap_or(Duration::ZERO);
            metrics::taken(queued, redelivered);
            if job.remaining(now).is_zero() && !must_tell(&registry, &job) {
                // No row: whoever asks is told by the deadline in the poll URL.
                metrics::skipped("expired");
                delivery.settle(Verdict::Ack);
                continue;
            }
            let Some(ready) = self.prepare(&registry, job, redelivered) else {
                left.push(delivery);
                continue;
            };
            // Entered before the store is asked: a copy that comes later either finds this
            // entry, or asks after the commit that removed it.
            let (key, expires_at) = (ready.job.id.key(), ready.job.expires_at);
            if let Some(delivery) = self.in_flight.enter(key, expires_at, delivery) {
                taken.push((ready, delivery));
            }
        }
        self.leave(left, obstacles).await;
        taken.is_empty() || self.start_unknown(taken, draining).await
    }

    /// The job inside, or `None` after having dealt with a body that cannot be read;
    /// `left` gets what others may be able to read.
    fn open(
        &self,
        registry: &Registry,
        delivery: Delivery,
        left: &mut Vec<Delivery>,
    ) -> Option<(Job, Delivery)> {
        match envelope::open(&registry.vault, &delivery.body) {
            Ok(job) => Some((job, delivery)),
            Err(error) if error.is_ours_to_mend() => {
                self.get_stuck(&error.to_string());
                left.push(delivery);
                None
            }
            Err(error) => {
                error!(%error, "a delivery is unreadable and is set aside");
                metrics::skipped("damaged");
                delivery.settle(Verdict::DeadLetter);
                None
            }
        }
    }

    fn prepare(&self, registry: &Arc<Registry>, job: Job, redelivered: bool) -> Option<Taken> {
        let app = registry.directory.app_of(&job.client, &job.app);
        let Some(app) = app else {
            self.get_stuck(&format!("app {} is not configured for its client", job.app));
            return None;
        };
        let Some(platform) = self.context.platforms.get(&app.platform) else {
            self.get_stuck(&format!("platform {} is not part of this build", app.platform));
            return None;
        };
        let (app, platform) = (Arc::clone(app), Arc::clone(platform));
        Some(Taken { app, platform, registry: Arc::clone(registry), job, redelivered })
    }

    /// Settles what has an answer already, and starts the rest; gives it back and returns
    /// false if the store does not tell.
    async fn start_unknown(
        &self,
        taken: Vec<(Taken, Delivery)>,
        draining: &CancellationToken,
    ) -> bool {
        let keys: Vec<_> = taken.iter().map(|(taken, _)| taken.job.id.key()).collect();
        let known = self.known(&keys, draining).await;
        if known.is_none() {
            // First, or what goes back would come again at once.
            self.queue.pause_taking().await;
        }
        for (taken, delivery) in taken {
            let key = taken.job.id.key();
            match &known {
                None => self.in_flight.settle(key, delivery, Verdict::Return),
                // Its slot may be kept by an outcome that cannot be committed.
                Some(_) if draining.is_cancelled() => {
                    self.in_flight.settle(key, delivery, Verdict::Return);
                }
                Some(known) if known.contains(&key) => {
                    metrics::skipped("known");
                    self.in_flight.settle(key, delivery, Verdict::Ack);
                }
                Some(_) => {
                    // There was a free one a moment ago; jobs from the side list may have
                    // been quicker, and give it back soon.
                    tokio::select! {
                        slot = self.slots.take() => self.start(taken, delivery, slot),
                        () = draining.cancelled() => {
                            self.in_flight.settle(key, delivery, Verdict::Return);
                        }
                    }
                }
            }
        }
        known.is_some()
    }

    /// Which of `keys` have an answer; `None` if the store does not say in time, or the
    /// drain begins.
    async fn known(
        &self,
        keys: &[JobKey],
        draining: &CancellationToken,
    ) -> Option<HashSet<JobKey>> {
        let began = Instant::now();
        loop {
            match self.context.store.known(keys).await {
                Ok(known) => {
                    self.health.store_answers();
                    return Some(known);
                }
                Err(error) => {
                    if self.health.store(false) {
                        warn!(%error, "no jobs are started until the store is back");
                    }
                }
            }
            if began.elapsed() > STORE_BLIP_MAX {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep(STORE_PAUSE) => {}
                () = draining.cancelled() => return None,
            }
        }
    }

    fn start(&self, taken: Taken, delivery: Delivery, slot: Slot) {
        let span = info_span!("job", id = %taken.job.id, app = %taken.app.id, trace = tracing::field::Empty);
        if let Some(traceparent) = &taken.job.traceparent {
            span.record("trace", traceparent.as_str());
        }
        let attempt = Attempt {
            context: Arc::clone(&self.context),
            in_flight: Arc::clone(&self.in_flight),
            writer: self.writer.clone(),
            taken,
            delivery,
            slot,
        };
        self.tasks.spawn(attempt.run().instrument(span));
    }
}

/// Whether somebody is to be told that `job` came too late: then it gets an answer like any
/// other, which its attempt makes without a call.
fn must_tell(registry: &Registry, job: &Job) -> bool {
    // A job of an app that nobody knows any more is no reason to stop when it is over.
    job.callback_url.is_some() && registry.directory.app_of(&job.client, &job.app).is_some()
}
