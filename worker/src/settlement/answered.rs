//! Copies of jobs that have an answer: they need no work, but the answer has to last as
//! long as their own URLs can ask for it.

use std::{collections::HashSet, time::Duration};

use quhao_backend::{
    queue::{Delivery, Disposition},
    store::Store,
};
use quhao_common::{
    domain::{answer::AnswerValidity, id::JobKey},
    process::metrics,
};
use time::OffsetDateTime;
use tracing::warn;

use crate::settlement::{dead_letter, in_flight::InFlight};

/// A copy of a job whose answer holds for it.
#[derive(Debug)]
pub struct AnsweredDuplicate {
    /// The job.
    pub key: JobKey,
    /// The deadline of this copy.
    pub expires_at: OffsetDateTime,
    /// What to settle.
    pub delivery: Delivery,
}

/// Settles `copies`, whose answers are kept for `retention` after their deadlines. Those whose
/// answer has just gone for good come again, as new jobs.
pub async fn settle(
    store: &Store,
    retention: Duration,
    in_flight: &InFlight,
    copies: Vec<AnsweredDuplicate>,
) {
    if copies.is_empty() {
        return;
    }
    let kept = prolong(store, retention, &copies).await;
    let final_ones = final_ones(store, in_flight, &copies).await;
    for AnsweredDuplicate { key, delivery, .. } in copies {
        if !kept(key) {
            in_flight.settle(key, delivery, Disposition::Requeue);
            continue;
        }
        metrics::skipped("known");
        if final_ones.contains(&key) {
            in_flight.settle(key, delivery, Disposition::Ack);
        } else {
            in_flight.settle_alone(key, delivery, Disposition::Ack);
        }
    }
}

/// The keys of those of `copies` that are followed and whose answer holds for every copy. Of the
/// others it may say that a deadline passed, by our clock or by that of whoever answered, which
/// may be ahead: that says nothing to those that follow.
async fn final_ones(
    store: &Store,
    in_flight: &InFlight,
    copies: &[AnsweredDuplicate],
) -> HashSet<JobKey> {
    let followed = copies.iter().map(|copy| copy.key).filter(|key| in_flight.is_followed(*key));
    let answers = store.answers(&followed.collect::<Vec<_>>()).await.unwrap_or_else(|error| {
        warn!(%error, "it is not known how long answers hold; copies of their jobs come again");
        Vec::new()
    });
    let hold_always =
        answers.into_iter().filter(|answer| answer.validity == AnswerValidity::Always);
    hold_always.map(|answer| answer.key).collect()
}

/// Settles copies that were set aside, and so begin nothing and are followed by none. Those
/// whose answer has just gone for good come again, to be buried.
pub async fn settle_dead(store: &Store, retention: Duration, copies: Vec<AnsweredDuplicate>) {
    if copies.is_empty() {
        return;
    }
    let kept = prolong(store, retention, &copies).await;
    for AnsweredDuplicate { key, delivery, .. } in copies {
        dead_letter::settle_copy(
            delivery,
            if kept(key) { Disposition::Ack } else { Disposition::Requeue },
        );
    }
}

/// Has the answers kept as long as the URLs of `copies` can ask for them; tells which of them
/// there still are, or that all are if the store does not say.
async fn prolong(
    store: &Store,
    retention: Duration,
    copies: &[AnsweredDuplicate],
) -> impl Fn(JobKey) -> bool + use<> {
    let until: Vec<_> = copies.iter().map(|copy| (copy.key, copy.expires_at + retention)).collect();
    let kept = store.prolong(&until).await;
    if let Err(error) = &kept {
        // They have their answer; only the end of its retention is at stake.
        warn!(%error, "answers are not kept for longer, although copies of their jobs came");
    }
    move |key| kept.as_ref().map_or(true, |kept| kept.contains(&key))
}
