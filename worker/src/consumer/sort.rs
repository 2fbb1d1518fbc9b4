//! Opens a batch of deliveries and sorts it.

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::{Delivery, Lane};
use quhao_common::{
    domain::{app::App, job::Job},
    envelope,
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{Consumer, blockers::Blockers, must_notify, sorted::Sorted, start::StoreLost};
use crate::{job::received::ReceivedJob, platform::Platform, settlement};

impl Consumer {
    /// Sorts deliveries, settles those that need no work, and starts the others. Fails if the
    /// store does not answer.
    pub(super) async fn process(
        &self,
        deliveries: Vec<Delivery>,
        blockers: &mut Blockers,
        draining: &CancellationToken,
    ) -> Result<(), StoreLost> {
        let registry = self.context().live.now();
        let mut sorted = Sorted::default();
        for delivery in deliveries {
            match delivery.lane {
                Lane::Jobs { .. } => self.sort_job(&registry, delivery, &mut sorted),
                Lane::Outcomes => self.commit_outcome(&registry, delivery, &mut sorted),
                Lane::DeadLetters(reason) => {
                    self.sort_dead_letter(&registry, reason, delivery, &mut sorted);
                }
            }
        }
        let Sorted { jobs, blocked, unreadable, dead_jobs } = sorted;
        blockers.hold_unreadable(unreadable);
        self.requeue_or_hold(blocked, blockers).await;
        self.record_dead_jobs(&registry, dead_jobs, draining).await;
        if jobs.is_empty() { Ok(()) } else { self.start_unanswered(jobs, draining).await }
    }

    fn sort_job(&self, registry: &Arc<Registry>, delivery: Delivery, sorted: &mut Sorted) {
        let now = OffsetDateTime::now_utc();
        let redelivered = delivery.redelivered;
        let Some((job, delivery)) = self.open_job(registry, delivery, sorted) else { return };
        let queued = (now - job.created_at).try_into().unwrap_or(Duration::ZERO);
        metrics::taken(queued, redelivered);
        if job.remaining(now).is_zero() && !must_notify(registry, &job) {
            return settlement::ack_expired(delivery);
        }
        let Some((app, platform)) = self.app_of(registry, &job) else {
            return sorted.blocked.push(delivery);
        };
        let received_at = OffsetDateTime::now_utc();
        // Entered before the store is asked: a duplicate that comes later either finds this
        // entry, or asks after the commit that removed it.
        let entered = settlement::enter(self.in_flight(), job.id.key(), job.expires_at, delivery);
        if let Some(delivery) = entered {
            let registry = Arc::clone(registry);
            let received = ReceivedJob { job, registry, app, platform, received_at, delivery };
            sorted.jobs.push(received);
        }
    }

    /// Returns the job inside, or `None` after having dealt with a body that cannot be read.
    fn open_job(
        &self,
        registry: &Registry,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) -> Option<(Job, Delivery)> {
        match envelope::job::open(&registry.vault, &delivery.body) {
            Ok(job) => return Some((job, delivery)),
            Err(error) if error.is_recoverable_here() => {
                self.block(&error.to_string());
                sorted.blocked.push(delivery);
            }
            Err(error) => {
                let id = envelope::job::claimed_id(&delivery.body).map(|id| id.to_string());
                error!(id, %error, "a job cannot be read and is dead-lettered");
                settlement::dead_letter_job(delivery);
            }
        }
        None
    }

    /// Returns the job's app and its platform. Blocks the worker if it does not have them.
    fn app_of(&self, registry: &Registry, job: &Job) -> Option<(Arc<App>, Arc<dyn Platform>)> {
        let Some(app) = registry.directory.app_of(&job.client, &job.app) else {
            self.block(&format!("app {} is not configured for its client", job.app));
            return None;
        };
        let Some(platform) = self.context().platforms.get(&app.platform) else {
            self.block(&format!("platform {} is not part of this build", app.platform));
            return None;
        };
        Some((Arc::clone(app), Arc::clone(platform)))
    }
}
