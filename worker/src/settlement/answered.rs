//! Duplicates of jobs that have an answer: they need no work, but the answer has to last as
//! long as their own URLs can ask for it.

use std::{collections::HashSet, time::Duration};

use quhao_backend::{queue::Delivery, store::Store};
use quhao_common::domain::{answer::AnswerValidity, id::JobKey};
use time::OffsetDateTime;
use tracing::warn;

use super::{
    ack_answered, ack_answered_alone, ack_answered_dead_letter, in_flight::InFlight, requeue,
    requeue_job,
};

/// A duplicate of a job whose answer holds for it.
#[derive(Debug)]
pub struct AnsweredDuplicate {
    /// The job.
    pub key: JobKey,
    /// The deadline of this duplicate.
    pub expires_at: OffsetDateTime,
    /// The delivery to settle.
    pub delivery: Delivery,
}

/// Settles duplicates that were to be run. Their answers are kept for `retention` after their
/// deadlines. Those whose answer has just been deleted come again, as new jobs.
pub async fn settle_jobs(
    store: &Store,
    retention: Duration,
    in_flight: &InFlight,
    duplicates: Vec<AnsweredDuplicate>,
) {
    if duplicates.is_empty() {
        return;
    }
    let kept = prolong(store, retention, &duplicates).await;
    let valid_for_all = valid_for_all(store, in_flight, &duplicates).await;
    for AnsweredDuplicate { key, delivery, .. } in duplicates {
        if !kept.contains(key) {
            requeue_job(in_flight, key, delivery);
        } else if valid_for_all.contains(&key) {
            ack_answered(in_flight, key, delivery);
        } else {
            ack_answered_alone(in_flight, key, delivery);
        }
    }
}

/// Settles dead letters, which start nothing and are followed by none. Those whose answer has
/// just been deleted come again, to be recorded.
pub(crate) async fn settle_dead_letters(
    store: &Store,
    retention: Duration,
    duplicates: Vec<AnsweredDuplicate>,
) {
    if duplicates.is_empty() {
        return;
    }
    let kept = prolong(store, retention, &duplicates).await;
    for AnsweredDuplicate { key, delivery, .. } in duplicates {
        if kept.contains(key) {
            ack_answered_dead_letter(delivery);
        } else {
            requeue([delivery]);
        }
    }
}

/// Returns the keys of those of `duplicates` that are followed and whose answer holds for every
/// duplicate. Any other answer may say that a deadline passed, by our clock or by that of
/// whoever answered, which may be ahead: that says nothing to those that follow.
async fn valid_for_all(
    store: &Store,
    in_flight: &InFlight,
    duplicates: &[AnsweredDuplicate],
) -> HashSet<JobKey> {
    let mut followed = Vec::new();
    for duplicate in duplicates {
        if in_flight.is_followed(duplicate.key) {
            followed.push(duplicate.key);
        }
    }
    let answers = store.answers(&followed).await.unwrap_or_else(|error| {
        warn!(%error, "could not read for how long answers hold; duplicates are requeued");
        Vec::new()
    });
    let valid = answers.into_iter().filter(|answer| answer.validity == AnswerValidity::Always);
    valid.map(|answer| answer.key).collect()
}

/// The answers that are still there after their retention was prolonged.
struct Kept(Option<HashSet<JobKey>>);

impl Kept {
    /// Returns whether the answer to `key` is there, as far as is known: if the store did not
    /// answer, all are.
    fn contains(&self, key: JobKey) -> bool {
        self.0.as_ref().is_none_or(|keys| keys.contains(&key))
    }
}

/// Keeps the answers for as long as the URLs of `duplicates` can ask for them.
async fn prolong(store: &Store, retention: Duration, duplicates: &[AnsweredDuplicate]) -> Kept {
    let until: Vec<_> = duplicates
        .iter()
        .map(|duplicate| (duplicate.key, duplicate.expires_at + retention))
        .collect();
    match store.prolong(&until).await {
        Ok(keys) => Kept(Some(keys)),
        Err(error) => {
            // They have their answer; only the end of its retention is at stake.
            warn!(%error, "could not prolong answers for the duplicates of their jobs");
            Kept(None)
        }
    }
}
