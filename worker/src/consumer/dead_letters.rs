//! Dead letters: each job gets an answer, unless it has one.

use std::collections::{HashMap, HashSet};

use quhao_backend::queue::{DeadLetterReason, Delivery};
use quhao_common::{
    domain::{failure::FailureCode, id::JobKey},
    envelope,
    process::{
        metrics::{self, DeadLetterResult},
        registry::Registry,
    },
};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Consumer, must_notify,
    sorted::{DeadJob, Sorted},
};
use crate::{
    job::outcome_row,
    settlement::{
        self,
        answered::{self, AnsweredDuplicate},
        dead_letter::{self, DeadLetter, DeadLetterAction, DeadLetterBody},
    },
};

impl Consumer {
    /// Sorts a dead letter.
    pub(super) fn sort_dead_letter(
        &self,
        registry: &Registry,
        reason: DeadLetterReason,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) {
        match dead_letter::open(&registry.vault, &delivery.body) {
            Ok(DeadLetterBody::Job(job)) => {
                sorted.dead_jobs.push(DeadJob { job, reason, delivery });
            }
            Ok(DeadLetterBody::Outcome(id, row)) => {
                warn!(%id, reason = reason.as_str(), "committing an outcome that was dead-lettered");
                metrics::dead_letter(reason, DeadLetterResult::Recorded);
                self.commit_dead_letter(id, *row, delivery);
            }
            Err(error) if error.is_recoverable_here() => sorted.unreadable.push(delivery),
            Err(error) => {
                // Whoever rejected it has logged that.
                if reason != DeadLetterReason::Rejected {
                    let id = envelope::job::claimed_id(&delivery.body).map(|id| id.to_string());
                    let reason = reason.as_str();
                    error!(id, %error, reason, "a dead letter cannot be read and is dropped");
                }
                settlement::ack_unreadable_dead_letter(delivery, reason);
            }
        }
    }

    /// Records the end of dead-lettered jobs. Of those that shared a message with the one that
    /// is to blame, most have had their answers for long.
    pub(super) async fn record_dead_jobs(
        &self,
        registry: &Registry,
        dead_jobs: Vec<DeadJob>,
        draining: &CancellationToken,
    ) {
        // First, since a running job is committed before it is in flight no more: then the
        // store knows its answer.
        let mut idle = Vec::new();
        for DeadJob { job, reason, delivery } in dead_jobs {
            if let Some(delivery) = self.in_flight().follow(job.id.key(), delivery) {
                idle.push(DeadJob { job, reason, delivery });
            }
        }
        if idle.is_empty() {
            return;
        }
        let context = self.context();
        let latest = latest_deadlines(&idle);
        let asking = context.store.answered(&latest);
        let answered = match draining.run_until_cancelled(asking).await {
            Some(Ok(answered)) => answered,
            // All are recorded then: nothing is lost by that, since a record waits for its
            // commit, and the better answer stays. What is requeued instead would come again at
            // once, and the broker may count that.
            Some(Err(error)) => {
                warn!(
                    %error,
                    "dead-lettered jobs are recorded as failed without checking for answers: the \
                     store is unavailable"
                );
                HashSet::new()
            }
            None => return settlement::requeue(idle.into_iter().map(|dead| dead.delivery)),
        };
        let mut duplicates = Vec::new();
        for dead in idle {
            let key = dead.job.id.key();
            if answered.contains(&key) {
                let expires_at = dead.job.expires_at;
                duplicates.push(AnsweredDuplicate { key, expires_at, delivery: dead.delivery });
            } else {
                self.record_dead_job(registry, dead);
            }
        }
        answered::settle_dead_letters(&context.store, context.retention, duplicates).await;
    }

    fn record_dead_job(&self, registry: &Registry, dead: DeadJob) {
        let DeadJob { job, reason, delivery } = dead;
        let now = OffsetDateTime::now_utc();
        let letter = DeadLetter {
            reason,
            deadline_passed: job.remaining(now).is_zero(),
            must_notify: must_notify(registry, &job),
        };
        let code = match letter.action() {
            DeadLetterAction::RecordFailure(code) => code,
            DeadLetterAction::Drop => {
                return settlement::ack_dropped_dead_letter(delivery, reason);
            }
        };
        let id = job.id;
        if code == FailureCode::DeadLettered {
            error!(%id, reason = reason.as_str(), "a job was dead-lettered: it fails with dead_lettered");
        }
        metrics::dead_letter(reason, DeadLetterResult::Recorded);
        metrics::job_failed(code);
        let row = outcome_row::failed(self.context(), &registry.vault, &job, code, now);
        self.commit_dead_letter(id, row, delivery);
    }
}

/// Returns the jobs, each with the latest deadline of its duplicates: an answer that holds for
/// that one holds for all.
fn latest_deadlines(dead_jobs: &[DeadJob]) -> Vec<(JobKey, OffsetDateTime)> {
    let mut latest = HashMap::new();
    for DeadJob { job, .. } in dead_jobs {
        let deadline = latest.entry(job.id.key()).or_insert(job.expires_at);
        *deadline = job.expires_at.max(*deadline);
    }
    latest.into_iter().collect()
}
