//! Copies of jobs that have an answer: they need no work, but the answer has to last as
//! long as their own URLs can ask for it.

use std::time::Duration;

use quhao_common::{
    id::JobKey,
    metrics,
    queue::{Delivery, Verdict},
    store::Store,
};
use time::OffsetDateTime;
use tracing::warn;

use crate::in_flight::InFlight;

/// A copy of a job whose answer holds for it.
#[derive(Debug)]
pub struct KnownCopy {
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
    copies: Vec<KnownCopy>,
) {
    if copies.is_empty() {
        return;
    }
    let until: Vec<_> = copies.iter().map(|copy| (copy.key, copy.expires_at + retention)).collect();
    let kept = store.prolong(&until).await;
    if let Err(error) = &kept {
        // They have their answer; only the end of its retention is at stake.
        warn!(%error, "answers are not kept for longer, although copies of their jobs came");
    }
    let now = OffsetDateTime::now_utc();
    for KnownCopy { key, expires_at, delivery } in copies {
        if kept.as_ref().is_ok_and(|kept| !kept.contains(&key)) {
            in_flight.settle(key, delivery, Verdict::Return);
            continue;
        }
        metrics::skipped("known");
        if expires_at <= now {
            // That it is too late may be all that the answer says, and nothing to those that
            // follow it.
            in_flight.settle_alone(key, delivery, Verdict::Ack);
        } else {
            in_flight.settle(key, delivery, Verdict::Ack);
        }
    }
}
