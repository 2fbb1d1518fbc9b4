//! What comes from the queue with nothing to be worked on: outcomes that others could not
//! commit, and what was set aside.

use quhao_common::{
    envelope,
    failure::FailureCode,
    id::JobId,
    job::Job,
    metrics,
    queue::{Death, Delivery, Verdict},
    registry::Registry,
    resume,
    store::Finished,
};
use time::OffsetDateTime;
use tracing::{error, info, warn};

use super::{Consumer, Sorted, must_tell};
use crate::{
    dead::{self, Burial, Remains},
    writer::{Aside, Held, Item, Place},
};

impl Consumer {
    /// Has an outcome committed that another worker could not. Nobody is called for it.
    pub(super) fn resume(&self, registry: &Registry, delivery: Delivery, sorted: &mut Sorted) {
        match resume::open(&registry.vault, &delivery.body) {
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
                delivery.settle(Verdict::DeadLetter);
            }
        }
    }

    /// Sees to the end of what was set aside.
    pub(super) fn bury(
        &self,
        registry: &Registry,
        death: Death,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) {
        match dead::open(&registry.vault, &delivery.body) {
            Ok(Remains::Job(job)) => self.bury_job(registry, death, &job, delivery),
            Ok(Remains::Outcome(id, finished)) => {
                warn!(%id, death = death.as_str(), "an outcome was set aside; it is committed");
                metrics::dead_letter(death.as_str(), "recorded");
                self.commit(id, *finished, delivery, Aside::Buried);
            }
            Err(error) if error.is_ours_to_mend() => sorted.unread.push(delivery),
            Err(error) => {
                // Whoever rejected it has said so.
                if death != Death::Rejected {
                    let id = envelope::claimed_id(&delivery.body).map(|id| id.to_string());
                    error!(id, %error, death = death.as_str(), "what was set aside is unreadable");
                }
                metrics::dead_letter(death.as_str(), "unreadable");
                delivery.settle(Verdict::Ack);
            }
        }
    }

    fn bury_job(&self, registry: &Registry, death: Death, job: &Job, delivery: Delivery) {
        let now = OffsetDateTime::now_utc();
        let (id, over) = (job.id, job.remaining(now).is_zero());
        let Burial::Record(code) = dead::judge(death, over, must_tell(registry, job)) else {
            metrics::dead_letter(death.as_str(), "forgotten");
            return delivery.settle(Verdict::Ack);
        };
        if code == FailureCode::DeadLettered {
            error!(%id, death = death.as_str(), "a job was set aside: it ends dead_lettered");
        }
        metrics::dead_letter(death.as_str(), "recorded");
        metrics::job_failed(code);
        let times = (self.context().grace, self.context().retention);
        let finished = dead::failed(&registry.vault, job, code, times, now);
        self.commit(id, finished, delivery, Aside::Buried);
    }

    fn commit(&self, id: JobId, finished: Finished, delivery: Delivery, aside: Aside) {
        let place = Place::Aside(aside);
        self.starter.commit(Item { finished, held: Held { id, delivery, place } });
    }
}
