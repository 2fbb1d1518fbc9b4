//! Copies of jobs that have an answer: they need no work, but the answer has to last as
//! long as their own URLs can ask for it.

use quhao_common::{
    metrics,
    queue::{Delivery, Verdict},
};
use tracing::warn;

use crate::{
    context::{Context, Taken},
    in_flight::InFlight,
};

/// Settles `copies`. Those whose answer has just gone for good come again, as new jobs.
pub async fn settle(context: &Context, in_flight: &InFlight, copies: Vec<(Taken, Delivery)>) {
    if copies.is_empty() {
        return;
    }
    let key_until =
        |(taken, _): &(Taken, _)| (taken.job.id.key(), taken.job.expires_at + context.retention);
    let until: Vec<_> = copies.iter().map(key_until).collect();
    let kept = context.store.prolong(&until).await;
    if let Err(error) = &kept {
        // They have their answer; only the end of its retention is at stake.
        warn!(%error, "answers are not kept for longer, although copies of their jobs came");
    }
    for (taken, delivery) in copies {
        let key = taken.job.id.key();
        if kept.as_ref().is_ok_and(|kept| !kept.contains(&key)) {
            in_flight.settle(key, delivery, Verdict::Return);
        } else {
            metrics::skipped("known");
            in_flight.settle(key, delivery, Verdict::Ack);
        }
    }
}
