//! What comes from the queue with nothing to be worked on: outcomes that others could not
//! commit, and what was set aside.

use std::collections::{HashMap, HashSet};

use quhao_backend::queue::{DeadLetterReason, Delivery, Disposition};
use quhao_common::{
    domain::{
        failure::FailureCode,
        finished::Finished,
        id::{JobId, JobKey},
        job::Job,
    },
    envelope,
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Consumer, Dead, Sorted, must_tell};
use crate::{
    context::Context,
    settlement::{
        answered::{self, AnsweredDuplicate},
        dead_letter::{self, Burial, Remains},
    },
    writer::{Aside, Held, Item, Place},
};

impl Consumer {
    /// Has an outcome committed that another worker could not. Nobody is called for it.
    pub(super) fn resume(&self, registry: &Registry, delivery: Delivery, sorted: &mut Sorted) {
        match envelope::outcome::open(&registry.vault, &delivery.body) {
            Ok((id, finished)) => {
                info!(%id, "an outcome that another worker handed over is committed");
                self.commit(id, finished, delivery, Aside::Resumed);
            }
            Err(error) if error.is_ours_to_mend() => {
                self.get_stuck(&error.to_string());
                sorted.left.push(delivery);
            }
            Err(error) => {
                error!(%error, "an outcome is unreadable and is set aside");
                metrics::outcome_resumed("damaged");
                delivery.settle(Disposition::DeadLetter);
            }
        }
    }

    /// Sorts out what was set aside.
    pub(super) fn open_dead(
        &self,
        registry: &Registry,
        death: DeadLetterReason,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) {
        match dead_letter::open(&registry.vault, &delivery.body) {
            Ok(Remains::Job(job)) => sorted.dead.push(Dead { job, death, delivery }),
            Ok(Remains::Outcome(id, finished)) => {
                warn!(%id, death = death.as_str(), "an outcome was set aside; it is committed");
                metrics::dead_letter(death.as_str(), "recorded");
                self.commit(id, *finished, delivery, Aside::Buried);
            }
            Err(error) if error.is_ours_to_mend() => sorted.unread.push(delivery),
            Err(error) => {
                // Whoever rejected it has said so.
                if death != DeadLetterReason::Rejected {
                    let id = envelope::job::claimed_id(&delivery.body).map(|id| id.to_string());
                    error!(id, %error, death = death.as_str(), "what was set aside is unreadable");
                }
                metrics::dead_letter(death.as_str(), "unreadable");
                delivery.settle(Disposition::Ack);
            }
        }
    }

    /// Sees to the end of jobs that were set aside. Of those that shared a message with one
    /// that is to blame, most have had their answers for long.
    pub(super) async fn bury(
        &self,
        registry: &Registry,
        dead: Vec<Dead>,
        draining: &CancellationToken,
    ) {
        // First, since a job that is worked on is committed before it is in flight no more:
        // then the store knows it.
        let mut idle = Vec::new();
        for Dead { job, death, delivery } in dead {
            if let Some(delivery) = self.starter.in_flight.follow(job.id.key(), delivery) {
                idle.push(Dead { job, death, delivery });
            }
        }
        if idle.is_empty() {
            return;
        }
        let Context { store, retention, .. } = &**self.context();
        let known = match draining.run_until_cancelled(store.answered(&latest(&idle))).await {
            Some(Ok(known)) => known,
            // All are buried then: nothing is lost by that, since a burial waits for its
            // commit, and the better answer stays. What is returned instead would come again
            // at once, and the broker may count that.
            Some(Err(error)) => {
                warn!(%error, "jobs that were set aside are buried, whether they have answers or not");
                HashSet::new()
            }
            None => {
                for dead in idle {
                    dead.delivery.settle(Disposition::Requeue);
                }
                return;
            }
        };
        let mut answered = Vec::new();
        for Dead { job, death, delivery } in idle {
            let (key, expires_at) = (job.id.key(), job.expires_at);
            if known.contains(&key) {
                answered.push(AnsweredDuplicate { key, expires_at, delivery });
            } else {
                self.bury_job(registry, death, &job, delivery);
            }
        }
        answered::settle_dead(store, *retention, answered).await;
    }

    fn bury_job(
        &self,
        registry: &Registry,
        death: DeadLetterReason,
        job: &Job,
        delivery: Delivery,
    ) {
        let now = OffsetDateTime::now_utc();
        let (id, over) = (job.id, job.remaining(now).is_zero());
        let Burial::Record(code) = dead_letter::judge(death, over, must_tell(registry, job)) else {
            metrics::dead_letter(death.as_str(), "forgotten");
            return delivery.settle(Disposition::Ack);
        };
        if code == FailureCode::DeadLettered {
            error!(%id, death = death.as_str(), "a job was set aside: it ends dead_lettered");
        }
        metrics::dead_letter(death.as_str(), "recorded");
        metrics::job_failed(code);
        let times = (self.context().grace, self.context().retention);
        let finished = dead_letter::failed(&registry.vault, job, code, times, now);
        self.commit(id, finished, delivery, Aside::Buried);
    }

    fn commit(&self, id: JobId, finished: Finished, delivery: Delivery, aside: Aside) {
        let place = Place::Aside(aside);
        self.starter.commit(Item { finished, held: Held { id, delivery, place } });
    }
}

/// The jobs, each with the latest deadline of its copies: an answer that holds for that one
/// holds for all.
fn latest(dead: &[Dead]) -> Vec<(JobKey, OffsetDateTime)> {
    let mut latest = HashMap::new();
    for Dead { job, .. } in dead {
        let at = latest.entry(job.id.key()).or_insert(job.expires_at);
        *at = job.expires_at.max(*at);
    }
    latest.into_iter().collect()
}
