//! The table of all metrics: a function that records, name, labels and meaning of each.

use std::time::Duration;

use metrics::{Gauge, counter, gauge, histogram};

use super::labels::{
    CallbackEnd, CommitFailure, DeadLetterResult, HandOverResult, IsRedelivered, JobOutcome,
    LabelValue, PurgedTable, QueueName, ReloadResult, RepairedField, RepeatCause, Route,
    SkipReason, SlotState, Status, TokenKind,
};
use crate::domain::client::ClientName;

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is a distribution.
    Histogram,
}

impl Kind {
    /// Returns its name in documents.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
pub(super) struct Metric {
    /// The name in Prometheus.
    pub(super) name: &'static str,
    /// How it behaves.
    pub(super) kind: Kind,
    /// The names of its labels.
    pub(super) labels: &'static [&'static str],
    /// What it means, for a scrape's `# HELP` and for the documents.
    pub(super) help: &'static str,
}

/// A number of things. All that are counted here are far below 2⁵².
pub trait Count {
    /// Returns the number as metrics take it.
    fn into_f64(self) -> f64;
}

impl Count for usize {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn into_f64(self) -> f64 {
        self as f64
    }
}

impl Count for u64 {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn into_f64(self) -> f64 {
        self as f64
    }
}

/// Defines the metrics: a function for each, and the catalogue of all.
macro_rules! metrics {
    ($(
        $(#[$doc:meta])*
        $visibility:vis $kind:ident $function:ident = $name:literal { $($label:ident: $set:ty),* } $help:literal;
    )+) => {
        $(metrics!(@ $kind [$(#[$doc])* $visibility] $function $name [$($label: $set),*]);)+

        /// Every metric, in the order of the table.
        pub(super) const CATALOGUE: &[Metric] = &[$(
            Metric {
                name: $name,
                kind: metrics!(@kind $kind),
                labels: &[$(stringify!($label)),*],
                help: $help,
            },
        )+];
    };

    (@kind event) => { Kind::Counter };
    (@kind events) => { Kind::Counter };
    (@kind level) => { Kind::Gauge };
    (@kind kept_level) => { Kind::Gauge };
    (@kind level_seconds) => { Kind::Gauge };
    (@kind seconds) => { Kind::Histogram };
    (@kind size) => { Kind::Histogram };

    // A counter that grows by one.
    (@ event [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set),*) {
            counter!($name $(, stringify!($label) => $label.label_value())*).increment(1);
        }
    };
    // A counter that grows by several.
    (@ events [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set,)* count: u64) {
            counter!($name $(, stringify!($label) => $label.label_value())*).increment(count);
        }
    };
    // A gauge that counts.
    (@ level [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set,)* count: impl Count) {
            gauge!($name $(, stringify!($label) => $label.label_value())*).set(count.into_f64());
        }
    };
    // A gauge that counts, to be kept by whoever sets it often.
    (@ kept_level [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set),*) -> Gauge {
            gauge!($name $(, stringify!($label) => $label.label_value())*)
        }
    };
    // A gauge of a time.
    (@ level_seconds [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set,)* time: Duration) {
            gauge!($name $(, stringify!($label) => $label.label_value())*).set(time.as_secs_f64());
        }
    };
    // A distribution of times.
    (@ seconds [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set,)* took: Duration) {
            histogram!($name $(, stringify!($label) => $label.label_value())*)
                .record(took.as_secs_f64());
        }
    };
    // A distribution of counts.
    (@ size [$($before:tt)*] $function:ident $name:literal [$($label:ident: $set:ty),*]) => {
        $($before)* fn $function($($label: $set,)* count: impl Count) {
            histogram!($name $(, stringify!($label) => $label.label_value())*)
                .record(count.into_f64());
        }
    };
}

metrics! {
    /// Counts an answered submission.
    pub(super) event submitted = "quhao_submits_total" { result: impl LabelValue }
        "Submissions answered, by result: accepted, or the code of the problem.";
    /// Counts a request that was refused because its client exceeded its rate.
    pub event rate_limited = "quhao_rate_limited_total" { client: &ClientName }
        "Submissions and erasures refused because their client exceeded its rate, by client.";
    /// Counts a field whose transport damage was repaired.
    pub event repaired = "quhao_repairs_total" { field: RepairedField, repair: impl LabelValue }
        "Fields whose transport damage was repaired, by field and repair.";
    /// Records the time to answer an HTTP request.
    pub(super) seconds http_answered = "quhao_http_request_seconds" { route: Route<'_>, status: Status }
        "Time to answer an HTTP request, waiting included, by route and status.";
    /// Records the time that the queue took to confirm a publish.
    pub seconds confirmed = "quhao_publish_confirm_seconds" {}
        "Time that the queue took to confirm a publish.";
    /// Records how many jobs a published message has.
    pub size published = "quhao_message_jobs" {}
        "Jobs in a published message: more than one under load.";
    /// Counts a publish that was not confirmed.
    pub event publish_refused = "quhao_publish_refused_total" { reason: impl LabelValue }
        "Publishes that were not confirmed, by reason: full, unavailable, unconfirmed.";
    /// Sets whether a link to the broker is up: 1 or 0.
    pub(super) level link = "quhao_queue_link_up" { direction: impl LabelValue }
        "Whether the link to the broker is up (1) or not (0), by direction: publish, consume.";
    /// Sets how much waits in a queue.
    pub level queue_depth = "quhao_queue_depth" { queue: QueueName }
        "What waits in a queue, by queue: jobs and unrouted, in jobs (an estimate: messages times the mean of jobs in a message); outcomes (to be committed) and dead_letters, in messages. Workers ask every five seconds.";
    /// Counts settlements that did not reach the broker before it took the deliveries back.
    pub events acks_lost = "quhao_acks_lost_total" {}
        "Settlements that did not reach the broker before it took the deliveries back.";
    /// Sets how long a job that is submitted now is expected to take.
    pub level_seconds expected_wait = "quhao_expected_wait_seconds" {}
        "How long a job that is submitted now is expected to take, while jobs wait in the queue; else 0.";
    /// Sets how many requests wait for a result.
    pub level waiters = "quhao_waiters" {}
        "HTTP requests that wait for a result.";
    /// Records how long a job had been queued when a worker took it.
    pub(super) seconds queued = "quhao_queued_seconds" {}
        "Time that a job had been queued when a worker took it.";
    /// Counts a delivery.
    pub(super) event delivered = "quhao_deliveries_total" { redelivered: IsRedelivered }
        "Deliveries taken, by whether the broker had delivered them before.";
    /// Counts a delivery that was settled without a call of the platform.
    pub event skipped = "quhao_deliveries_skipped_total" { reason: SkipReason }
        "Deliveries settled without a call of the platform, by reason: answered, expired, damaged.";
    /// Counts a dead letter that was handled.
    pub event dead_letter = "quhao_dead_letters_total" { reason: impl LabelValue, result: DeadLetterResult }
        "Dead letters handled, by reason (expired, delivery_limit, rejected, other) and result: recorded (as a failure), answered (the job had an answer), dropped (nobody waits for an event), unreadable.";
    /// Counts an outcome that its worker could not commit.
    pub event outcome_handed_over = "quhao_outcomes_handed_over_total" { result: HandOverResult }
        "Outcomes that a worker could not commit before it ended, by result: handed_over or refused (lost) at that worker, committed or damaged at another.";
    /// Sets how many jobs are in quarantine.
    pub level quarantined_jobs = "quhao_quarantined_jobs" {}
        "Jobs in a worker's quarantine, run one at a time because they were left unsettled three times.";
    /// Records a call of the platform that exchanges a login code.
    pub seconds exchange = "quhao_exchange_seconds" { result: impl LabelValue }
        "Time of a call of the platform that exchanges a login code, by result.";
    /// Counts a repeated call that exchanges a login code.
    pub event exchange_repeated = "quhao_exchanges_repeated_total" { cause: RepeatCause }
        "Calls that exchange the login code of a job that may have called before, by cause: not_sent, unanswered, busy, minute_quota, credential_refused, redelivery.";
    /// Records a call of the platform that redeems a phone code.
    pub seconds redeem = "quhao_redeem_seconds" { result: impl LabelValue }
        "Time of a call of the platform that redeems a phone code, by result.";
    /// Counts a repeated call that redeems a phone code.
    pub event redeem_repeated = "quhao_redeems_repeated_total" { cause: RepeatCause }
        "Calls that redeem the phone code of a job that may have called before, by cause: not_sent, unanswered, busy, minute_quota, credential_refused, redelivery.";
    /// Records an attempt to get a token.
    pub seconds token_fetched = "quhao_token_fetch_seconds" { kind: TokenKind, result: impl LabelValue }
        "Time of an attempt to get a token, by kind (access, component) and result: token, or why there is none.";
    /// Counts a finished job.
    pub(super) event finished = "quhao_jobs_total" { outcome: JobOutcome }
        "Jobs finished, by outcome: succeeded, or the code of the failure.";
    /// Records the time from a job's submission to its success.
    pub(super) seconds job = "quhao_job_seconds" {}
        "Time from submission to success.";
    /// Counts a ciphertext that was refused.
    pub event decrypt_refused = "quhao_decrypt_refused_total" { check: impl LabelValue }
        "Ciphertexts refused, by the check that failed: padding, utf8, json.";
    /// Records how many jobs a committed batch has.
    pub(super) size committed_jobs = "quhao_commit_jobs" {}
        "Jobs in a committed batch.";
    /// Records the time to commit a batch.
    pub(super) seconds commit = "quhao_commit_seconds" {}
        "Time to commit a batch.";
    /// Counts a commit that failed.
    pub event commit_failed = "quhao_commits_failed_total" { reason: CommitFailure }
        "Commits that failed, by reason: unavailable, rejected.";
    /// Counts rows that were deleted after their retention.
    pub events purged = "quhao_purged_total" { table: PurgedTable }
        "Rows deleted after their retention, by table: answers, sessions, callbacks, erasures.";
    /// Counts a reading of the configuration after SIGHUP.
    pub event config_reloaded = "quhao_config_reloads_total" { result: ReloadResult }
        "Readings of the configuration after SIGHUP, by result: applied, refused.";
    /// Records an attempt at a callback.
    pub seconds callback_attempt = "quhao_callback_attempt_seconds" { result: impl LabelValue }
        "Time of an attempt at a callback, by result: delivered, or why it failed.";
    /// Counts a callback that ended.
    pub(super) event callback_ended = "quhao_callbacks_total" { state: CallbackEnd }
        "Callbacks ended, by state: delivered, failed.";
    /// Records the time from a callback's commit to its delivery.
    pub(super) seconds callback = "quhao_callback_seconds" {}
        "Time from a callback's commit to its delivery.";
    /// Sets how many callbacks are being sent, and look-ups of names that outlast their attempt.
    pub level callbacks_under_way = "quhao_callbacks_under_way" {}
        "Callbacks that a worker is sending, and look-ups of names that outlast their attempt.";
    /// Returns the gauge of the jobs in slots that are doing this.
    pub(super) kept_level slots = "quhao_slots" { state: SlotState }
        "Jobs in a worker, by state: working, waiting (between two attempts), committing (their outcome is known).";
    /// Sets for how many apps the circuit breaker is open.
    pub level circuits_open = "quhao_circuits_open" { cause: impl LabelValue }
        "Apps whose calls a worker holds back, by cause: down, minute_quota, day_quota.";
    /// Counts a call of the platform that was held back.
    pub event call_held_back = "quhao_calls_held_back_total" { cause: impl LabelValue }
        "Calls of the platform that were held back, by cause; each once, however long it waits.";
}
