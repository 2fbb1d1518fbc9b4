//! Every metric: what is recorded, and how it is served.
//!
//! `table` defines each metric once, with the function that records it, its labels and its
//! meaning. `quhao docs` makes the page for operators from the same table.

mod document;
mod exporter;
mod labels;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    document::metrics_markdown,
    exporter::{Exporter, InstallError, install},
    labels::{
        AttemptLabel, CallLabel, CallbackEnd, CommitFailure, DeadLetterResult, HandOverResult,
        LabelValue, PurgedTable, QueueName, ReloadResult, RepairedField, RepeatCause, SkipReason,
        SlotState, TokenKind,
    },
    table::{
        Count, acks_lost, call_held_back, callback_attempt, callbacks_under_way, circuits_open,
        commit_failed, config_reloaded, confirmed, dead_letter, decrypt_refused, exchange,
        exchange_repeated, expected_wait, outcome_handed_over, publish_refused, published, purged,
        quarantined_jobs, queue_depth, rate_limited, redeem, redeem_repeated, repaired, skipped,
        token_fetched, waiters,
    },
};

use std::{fmt, time::Duration};

use metrics::Gauge;

use self::labels::{IsRedelivered, JobOutcome, Route, Status, SubmitAccepted};
use crate::domain::failure::FailureCode;

/// Counts a submission whose job the queue has.
pub fn submit_accepted() {
    table::submitted(SubmitAccepted);
}

/// Counts a submission that was refused with this problem.
pub fn submit_refused(problem: impl LabelValue) {
    table::submitted(problem);
}

/// Records an answer to an HTTP request.
pub fn http_request(route: &str, status: u16, took: Duration) {
    table::http_answered(Route(route), Status(status), took);
}

/// Records that a link to the broker is up.
pub fn link_up(direction: impl LabelValue) {
    table::link(direction, 1_u64);
}

/// Records that a link to the broker is down, or may not be used.
pub fn link_down(direction: impl LabelValue) {
    table::link(direction, 0_u64);
}

/// Records a delivery, whose job had been queued for so long.
pub fn taken(queued: Duration, redelivered: bool) {
    table::queued(queued);
    table::delivered(IsRedelivered(redelivered));
}

/// Records a job that succeeded, so long after its submission.
pub fn job_succeeded(took: Duration) {
    table::finished(JobOutcome::Succeeded);
    table::job(took);
}

/// Records a job that failed.
pub fn job_failed(code: FailureCode) {
    table::finished(JobOutcome::Failed(code));
}

/// Records a committed batch.
pub fn committed(jobs: usize, took: Duration) {
    table::committed_jobs(jobs);
    table::commit(took);
}

/// Records a callback that was delivered, so long after it became due.
pub fn callback_delivered(took: Duration) {
    table::callback_ended(CallbackEnd::Delivered);
    table::callback(took);
}

/// Records a callback that failed.
pub fn callback_failed() {
    table::callback_ended(CallbackEnd::Failed);
}

/// The gauges of jobs in slots. They are kept, because they change with every job and finding a
/// gauge by its name takes longer than setting it.
#[derive(Clone)]
pub struct SlotGauges {
    working: Gauge,
    waiting: Gauge,
    committing: Gauge,
}

impl SlotGauges {
    /// Returns those of this process, whose exporter must be installed.
    #[expect(clippy::new_without_default, reason = "it looks for something that is there")]
    pub fn new() -> Self {
        Self {
            working: table::slots(SlotState::Working),
            waiting: table::slots(SlotState::Waiting),
            committing: table::slots(SlotState::Committing),
        }
    }

    /// Sets how many jobs are worked on, wait between two attempts, and are being committed.
    pub fn set(&self, working: usize, waiting: usize, committing: usize) {
        self.working.set(working.into_f64());
        self.waiting.set(waiting.into_f64());
        self.committing.set(committing.into_f64());
    }
}

impl fmt::Debug for SlotGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotGauges")
    }
}
