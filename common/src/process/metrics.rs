//! Every metric: name, unit, labels; one function each.
//!
//! Labels come from closed sets only: never an id, an openid, a number. `docs/operate/metrics.md`
//! lists them for operators.

mod catalogue;
mod exporter;
#[cfg(test)]
mod tests;

pub use exporter::{Exporter, InstallError, install};

use std::{fmt, time::Duration};

use metrics::{Gauge, counter, gauge, histogram};

use crate::domain::failure::FailureCode;

/// A submission was answered: `accepted`, or the code of the problem.
pub fn submitted(result: &'static str) {
    counter!("quhao_submits_total", "result" => result).increment(1);
}

/// A client submitted faster than it may. Clients are few, and named by the configuration.
pub fn rate_limited(client: &str) {
    counter!("quhao_rate_limited_total", "client" => client.to_owned()).increment(1);
}

/// A field's transport damage was undone.
pub fn repaired(field: &'static str, repair: &'static str) {
    counter!("quhao_repairs_total", "field" => field, "repair" => repair).increment(1);
}

/// An HTTP request was answered.
pub fn http_request(route: &str, status: u16, took: Duration) {
    let status = status.to_string();
    histogram!("quhao_http_request_seconds", "route" => route.to_owned(), "status" => status)
        .record(took.as_secs_f64());
}

/// How long the queue took to confirm one publish.
pub fn confirmed(took: Duration) {
    histogram!("quhao_publish_confirm_seconds").record(took.as_secs_f64());
}

/// A message was published, with so many jobs.
pub fn published(jobs: usize) {
    #[expect(clippy::cast_precision_loss, reason = "sixteen at most")]
    histogram!("quhao_message_jobs").record(jobs as f64);
}

/// A publish was not confirmed: `full`, `unavailable`, `unconfirmed`.
pub fn publish_refused(reason: &'static str) {
    counter!("quhao_publish_refused_total", "reason" => reason).increment(1);
}

/// A link to the broker came up (`publish` or `consume`).
pub fn link_up(direction: &'static str, up: bool) {
    gauge!("quhao_queue_link_up", "direction" => direction).set(if up { 1.0 } else { 0.0 });
}

/// Sets how many messages wait in `queue`: `jobs`, `unrouted`, `resume` or `dead`.
pub fn queue_depth(queue: &'static str, count: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    gauge!("quhao_queue_depth", "queue" => queue).set(count as f64);
}

/// Settlements that the broker was not told of before it took the deliveries back.
pub fn acks_lost(count: u64) {
    counter!("quhao_acks_lost_total").increment(count);
}

/// How long a job that is submitted now is expected to take.
pub fn expected_wait(wait: Duration) {
    gauge!("quhao_expected_wait_seconds").set(wait.as_secs_f64());
}

/// Requests that are waiting for a result.
pub fn waiters(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
    gauge!("quhao_waiters").set(count as f64);
}

/// A delivery was taken: how long its job had been queued.
pub fn taken(queued: Duration, redelivered: bool) {
    let redelivered = if redelivered { "true" } else { "false" };
    histogram!("quhao_queued_seconds").record(queued.as_secs_f64());
    counter!("quhao_deliveries_total", "redelivered" => redelivered).increment(1);
}

/// A delivery was settled without an upstream call: `known` (it has an answer),
/// `expired`, `damaged`.
pub fn skipped(reason: &'static str) {
    counter!("quhao_deliveries_skipped_total", "reason" => reason).increment(1);
}

/// What was set aside met its end: by how it died, and whether it was `recorded`, `answered`
/// already, `forgotten` or `unreadable`.
pub fn dead_letter(death: &'static str, end: &'static str) {
    counter!("quhao_dead_letters_total", "death" => death, "end" => end).increment(1);
}

/// An outcome that its worker could not commit: `handed_over` or `refused` there, `committed`
/// or `damaged` elsewhere.
pub fn outcome_resumed(result: &'static str) {
    counter!("quhao_outcomes_resumed_total", "result" => result).increment(1);
}

/// Jobs that wait to be worked on alone.
pub fn suspects(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "bounded by what a worker holds")]
    gauge!("quhao_suspects").set(count as f64);
}

/// A call to the platform ended.
pub fn exchange(result: &'static str, took: Duration) {
    histogram!("quhao_exchange_seconds", "result" => result).record(took.as_secs_f64());
}

/// The platform is called again for a job: after `not_sent`, `unanswered`, `busy`,
/// `minute_quota` or `credential_refused`, or at all after a `redelivery`.
pub fn exchanged_again(cause: &'static str) {
    counter!("quhao_exchanges_repeated_total", "cause" => cause).increment(1);
}

/// A call to the platform that redeems a phone code ended.
pub fn redeem(result: &'static str, took: Duration) {
    histogram!("quhao_redeem_seconds", "result" => result).record(took.as_secs_f64());
}

/// The platform is called again to redeem a job's phone code: after `not_sent`,
/// `unanswered`, `busy`, `minute_quota` or `credential_refused`, or at all after a
/// `redelivery`.
pub fn redeemed_again(cause: &'static str) {
    counter!("quhao_redeems_repeated_total", "cause" => cause).increment(1);
}

/// One try to get a token ended: an `access` token of an app, or the `component`'s.
pub fn token_fetched(kind: &'static str, result: &'static str, took: Duration) {
    histogram!("quhao_token_fetch_seconds", "kind" => kind, "result" => result)
        .record(took.as_secs_f64());
}

/// A job succeeded.
pub fn job_succeeded(took: Duration) {
    counter!("quhao_jobs_total", "outcome" => "succeeded").increment(1);
    histogram!("quhao_job_seconds").record(took.as_secs_f64());
}

/// A job failed.
pub fn job_failed(code: FailureCode) {
    counter!("quhao_jobs_total", "outcome" => code.as_str()).increment(1);
}

/// Which check a ciphertext failed: `padding`, `utf8`, `json`. Never told to a client.
pub fn decrypt_refused(check: &'static str) {
    counter!("quhao_decrypt_refused_total", "check" => check).increment(1);
}

/// A batch was committed.
pub fn committed(jobs: usize, took: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most some hundred jobs")]
    histogram!("quhao_commit_jobs").record(jobs as f64);
    histogram!("quhao_commit_seconds").record(took.as_secs_f64());
}

/// A commit failed: `unavailable` or `rejected`.
pub fn commit_failed(reason: &'static str) {
    counter!("quhao_commits_failed_total", "reason" => reason).increment(1);
}

/// Rows past their retention were deleted: `answers`, `sessions`, `callbacks`, `erasures`.
pub fn purged(table: &'static str, rows: u64) {
    counter!("quhao_purged_total", "table" => table).increment(rows);
}

/// The configuration was read again: `applied` or `refused`.
pub fn config_reloaded(result: &'static str) {
    counter!("quhao_config_reloads_total", "result" => result).increment(1);
}

/// An attempt at a callback ended: `delivered`, or the reason why it does not count.
pub fn callback_attempt(result: &'static str, took: Duration) {
    histogram!("quhao_callback_attempt_seconds", "result" => result).record(took.as_secs_f64());
}

/// A callback was delivered, so long after it became due.
pub fn callback_delivered(took: Duration) {
    counter!("quhao_callbacks_total", "state" => "delivered").increment(1);
    histogram!("quhao_callback_seconds").record(took.as_secs_f64());
}

/// A callback was given up.
pub fn callback_failed() {
    counter!("quhao_callbacks_total", "state" => "failed").increment(1);
}

/// Callbacks that are being sent, and look-ups of names that outlast their attempt.
pub fn callbacks_under_way(count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "bounded by callbacks.concurrency")]
    gauge!("quhao_callbacks_under_way").set(count as f64);
}

/// The jobs of a worker, by what they are at. Kept, because it changes with every job and
/// finding a gauge by its name takes longer than setting it.
#[derive(Clone)]
pub struct SlotGauges([Gauge; 3]);

impl SlotGauges {
    /// Those of this process, whose exporter must be there.
    #[expect(clippy::new_without_default, reason = "it looks for something that is there")]
    pub fn new() -> Self {
        Self(
            ["working", "waiting", "committing"]
                .map(|state| gauge!("quhao_slots", "state" => state)),
        )
    }

    /// Jobs being worked on, waiting between two attempts, and being committed.
    pub fn set(&self, working: usize, waiting: usize, committing: usize) {
        for (gauge, jobs) in self.0.iter().zip([working, waiting, committing]) {
            #[expect(clippy::cast_precision_loss, reason = "bounded by what a worker may hold")]
            gauge.set(jobs as f64);
        }
    }
}

impl fmt::Debug for SlotGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SlotGauges")
    }
}

/// How many apps' calls are held back: for `down`, `minute_quota` or `day_quota`.
pub fn circuits_open(cause: &'static str, count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "bounded by the number of apps")]
    gauge!("quhao_circuits_open", "cause" => cause).set(count as f64);
}

/// A call of the platform was held back: for `down`, `minute_quota` or `day_quota`.
pub fn call_held_back(cause: &'static str) {
    counter!("quhao_calls_held_back_total", "cause" => cause).increment(1);
}
