//! Settles deliveries. Nothing else in a worker does, so this page shows when one is acked.
//!
//! A delivery is acked only if nothing is lost with it, and each reason has a function here:
//!
//! - its outcome was committed, or confirmed by the queue for another worker to commit:
//!   `settle_job`, `settle_outcome`, `settle_dead_letter`;
//! - its job has an answer: `ack_answered`, `ack_answered_alone`, `ack_answered_dead_letter`;
//! - its job is too late, and nobody is to be notified of that: `ack_expired`,
//!   `ack_expired_job`, `ack_dropped_dead_letter`;
//! - it is a further duplicate of a job that is running here and not acked yet: `enter`;
//! - it was dead-lettered, and nobody can read it: `ack_unreadable_dead_letter`.
//!
//! What this worker cannot process now is requeued: `requeue`, `requeue_job`. What nobody
//! will ever be able to process is dead-lettered: `dead_letter_job`, `dead_letter_outcome`,
//! and the outcome that the store refuses.

use quhao_backend::queue::{DeadLetterReason, Delivery, Disposition, Lane};
use quhao_common::{
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished},
        id::JobKey,
    },
    process::metrics::{self, DeadLetterResult, HandOverResult, SkipReason},
};
use time::OffsetDateTime;

use self::in_flight::{Entered, InFlight};

pub mod in_flight;
pub mod answered;
pub(crate) mod dead_letter;

/// What became of an outcome that was to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitResult {
    /// The store committed it.
    Committed,
    /// The queue confirmed it, for another worker to commit.
    HandedOver,
    /// The store will never take it.
    Refused,
}

impl CommitResult {
    fn disposition(self) -> Disposition {
        match self {
            Self::Committed | Self::HandedOver => Disposition::Ack,
            Self::Refused => Disposition::DeadLetter,
        }
    }
}

/// Returns `delivery` if its job is to be run, since it is not running already.
///
/// A duplicate of a running job waits for what becomes of it. One that adds nothing is acked at
/// once, so that duplicates cannot fill what this worker may hold: the delivery of the running
/// job is still unsettled.
pub fn enter(
    in_flight: &InFlight,
    key: JobKey,
    expires_at: OffsetDateTime,
    delivery: Delivery,
) -> Option<Delivery> {
    match in_flight.enter(key, expires_at, delivery) {
        Entered::First(delivery) => Some(delivery),
        Entered::Follows => None,
        Entered::AddsNothing(delivery) => {
            delivery.settle(Disposition::Ack);
            None
        }
    }
}

/// Settles a job that ran here, after its outcome was committed or refused.
pub fn settle_job(in_flight: &InFlight, row: &Finished, delivery: Delivery, result: CommitResult) {
    if result == CommitResult::HandedOver {
        metrics::outcome_handed_over(HandOverResult::HandedOver);
    }
    if row.final_state == FinalState::Failed(FailureCode::DeadlineExceeded) {
        // Its duplicates may have later deadlines.
        settle_alone(in_flight, row.key, delivery, result.disposition());
    } else {
        settle_with_duplicates(in_flight, row.key, delivery, result.disposition());
    }
}

/// Settles an outcome that another worker handed over, after it was committed or refused.
pub(crate) fn settle_outcome(delivery: Delivery, result: CommitResult) {
    if result == CommitResult::Committed {
        metrics::outcome_handed_over(HandOverResult::Committed);
    }
    delivery.settle(result.disposition());
}

/// Settles a dead letter, after its outcome was committed or refused.
pub(crate) fn settle_dead_letter(delivery: Delivery, result: CommitResult) {
    delivery.settle(result.disposition());
}

/// Acks a job whose answer holds for all of its duplicates, and those that wait for it.
pub(crate) fn ack_answered(in_flight: &InFlight, key: JobKey, delivery: Delivery) {
    metrics::skipped(SkipReason::Answered);
    settle_with_duplicates(in_flight, key, delivery, Disposition::Ack);
}

/// Acks a job that has an answer. Duplicates that wait for it come again: they may have later
/// deadlines than the answer holds for.
pub(crate) fn ack_answered_alone(in_flight: &InFlight, key: JobKey, delivery: Delivery) {
    metrics::skipped(SkipReason::Answered);
    settle_alone(in_flight, key, delivery, Disposition::Ack);
}

/// Acks a dead letter whose job has an answer.
pub(crate) fn ack_answered_dead_letter(delivery: Delivery) {
    settle_duplicate(delivery, Disposition::Ack);
}

/// Acks a job that expired before it was run, and of which nobody is to be notified: whoever
/// polls reads `deadline_exceeded` from the URL.
pub(crate) fn ack_expired(delivery: Delivery) {
    metrics::skipped(SkipReason::Expired);
    delivery.settle(Disposition::Ack);
}

/// Acks a job that expired while it waited for its slot. Duplicates that wait for it come
/// again, and are judged by their own deadlines.
pub fn ack_expired_job(in_flight: &InFlight, key: JobKey, delivery: Delivery) {
    metrics::skipped(SkipReason::Expired);
    settle_alone(in_flight, key, delivery, Disposition::Ack);
}

/// Acks a dead letter whose job expired, and of which nobody is to be notified.
pub(crate) fn ack_dropped_dead_letter(delivery: Delivery, reason: DeadLetterReason) {
    metrics::dead_letter(reason, DeadLetterResult::Dropped);
    delivery.settle(Disposition::Ack);
}

/// Acks a dead letter that nobody can read.
pub(crate) fn ack_unreadable_dead_letter(delivery: Delivery, reason: DeadLetterReason) {
    metrics::dead_letter(reason, DeadLetterResult::Unreadable);
    delivery.settle(Disposition::Ack);
}

/// Requeues deliveries that are not in flight.
pub(crate) fn requeue(deliveries: impl IntoIterator<Item = Delivery>) {
    for delivery in deliveries {
        delivery.settle(Disposition::Requeue);
    }
}

/// Requeues a job that was in flight, and the duplicates that wait for it.
pub fn requeue_job(in_flight: &InFlight, key: JobKey, delivery: Delivery) {
    settle_with_duplicates(in_flight, key, delivery, Disposition::Requeue);
}

/// Dead-letters a job that nobody can read.
pub(crate) fn dead_letter_job(delivery: Delivery) {
    metrics::skipped(SkipReason::Damaged);
    delivery.settle(Disposition::DeadLetter);
}

/// Dead-letters an outcome that nobody can read.
pub(crate) fn dead_letter_outcome(delivery: Delivery) {
    metrics::outcome_handed_over(HandOverResult::Damaged);
    delivery.settle(Disposition::DeadLetter);
}

/// Ends a job in flight: the duplicates that wait for it are settled in the same way.
fn settle_with_duplicates(
    in_flight: &InFlight,
    key: JobKey,
    delivery: Delivery,
    disposition: Disposition,
) {
    let duplicates = in_flight.end(key);
    delivery.settle(disposition);
    for duplicate in duplicates {
        settle_duplicate(duplicate, disposition);
    }
}

/// Ends a job in flight: the duplicates that wait for it are requeued.
fn settle_alone(in_flight: &InFlight, key: JobKey, delivery: Delivery, disposition: Disposition) {
    let duplicates = in_flight.end(key);
    delivery.settle(disposition);
    requeue(duplicates);
}

/// Settles a duplicate as its job was. A dead letter needs no outcome if its job has an answer.
fn settle_duplicate(duplicate: Delivery, disposition: Disposition) {
    if let (Lane::DeadLetters(reason), Disposition::Ack) = (duplicate.lane, disposition) {
        metrics::dead_letter(reason, DeadLetterResult::Answered);
    }
    duplicate.settle(disposition);
}
