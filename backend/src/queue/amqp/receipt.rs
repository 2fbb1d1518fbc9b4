//! What settles a delivery: the broker knows messages, and a message may have brought
//! several.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::ack_ranges::Tag;
use crate::queue::delivery::Disposition;
use quhao_common::process::metrics;

/// A message of which every delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) tag: Tag,
    pub(super) disposition: Disposition,
}

/// How many deliveries of a channel are out, whatever their messages are waiting for: a job
/// that waits for long keeps its message, and not the room of those that came with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

impl Held {
    pub(super) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The means to settle one delivery, good for the channel that it came over.
#[derive(Debug)]
pub struct Receipt(Arc<Shared>);

/// A message that is out. When its last delivery is settled, it is.
#[derive(Debug)]
struct Shared {
    tag: Tag,
    so_far: Mutex<SoFar>,
    held: Held,
    settlements: mpsc::UnboundedSender<Settled>,
}

#[derive(Debug, Clone, Copy)]
struct SoFar {
    left: usize,
    disposition: Disposition,
}

impl Receipt {
    /// The receipts of the `jobs` deliveries of a message. They count as `held` until they
    /// are settled.
    pub(super) fn of_message(
        tag: Tag,
        jobs: usize,
        held: &Held,
        settlements: &mpsc::UnboundedSender<Settled>,
    ) -> impl Iterator<Item = Self> + use<> {
        let so_far = Mutex::new(SoFar { left: jobs, disposition: Disposition::Ack });
        held.0.fetch_add(jobs, Ordering::Relaxed);
        let (held, settlements) = (held.clone(), settlements.clone());
        let message = Arc::new(Shared { tag, so_far, held, settlements });
        (0..jobs).map(move |_| Self(Arc::clone(&message)))
    }

    pub(in crate::queue) fn settle(self, disposition: Disposition) {
        let tag = self.0.tag;
        self.0.held.0.fetch_sub(1, Ordering::Relaxed);
        let whole = {
            let mut so_far = self.0.so_far.lock().unwrap_or_else(PoisonError::into_inner);
            so_far.left -= 1;
            so_far.disposition = together(so_far.disposition, disposition);
            (so_far.left == 0).then_some(so_far.disposition)
        };
        let Some(disposition) = whole else { return };
        if self.0.settlements.send(Settled { tag, disposition }).is_err() {
            // Its channel is gone: the broker has taken the message back.
            metrics::acks_lost(1);
        }
    }
}

/// What becomes of a message whose deliveries were settled so. It can only be kept or go as
/// a whole: who gets it again finds the answers of those that were done, and leaves them.
fn together(one: Disposition, other: Disposition) -> Disposition {
    match (one, other) {
        (Disposition::Requeue, _) | (_, Disposition::Requeue) => Disposition::Requeue,
        (Disposition::DeadLetter, _) | (_, Disposition::DeadLetter) => Disposition::DeadLetter,
        (Disposition::Ack, Disposition::Ack) => Disposition::Ack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the broker is told after each settlement.
    fn told(verdicts: &[Disposition]) -> Vec<Option<Settled>> {
        let (settlements, mut told) = mpsc::unbounded_channel();
        let held = Held::default();
        let receipts = Receipt::of_message(7, verdicts.len(), &held, &settlements);
        let mut left = verdicts.len();
        let settle = |(receipt, disposition): (Receipt, &Disposition)| {
            assert_eq!(held.now(), left);
            receipt.settle(*disposition);
            left -= 1;
            assert_eq!(held.now(), left, "its room is free at once");
            told.try_recv().ok()
        };
        receipts.zip(verdicts).map(settle).collect()
    }

    #[test]
    fn a_message_is_acknowledged_after_the_last_of_its_deliveries() {
        let settled = Some(Settled { tag: 7, disposition: Disposition::Ack });
        assert_eq!(told(&[Disposition::Ack]), [settled]);
        assert_eq!(told(&[Disposition::Ack; 3]), [None, None, settled]);
    }

    #[test]
    fn one_delivery_that_others_should_have_brings_the_message_back() {
        use Disposition::{Ack, DeadLetter, Requeue};
        for (verdicts, expected) in [
            ([Ack, Requeue, Ack], Requeue),
            ([Requeue, DeadLetter, Ack], Requeue),
            ([DeadLetter, Ack, Requeue], Requeue),
            ([Ack, DeadLetter, Ack], DeadLetter),
            ([Requeue, Requeue, Requeue], Requeue),
        ] {
            let last = told(&verdicts).pop().flatten().map(|settled| settled.disposition);
            assert_eq!(last, Some(expected), "{verdicts:?}");
        }
    }

    #[test]
    fn a_delivery_that_is_never_settled_keeps_its_message() {
        let (settlements, mut told) = mpsc::unbounded_channel();
        let mut receipts = Receipt::of_message(7, 2, &Held::default(), &settlements);
        drop(receipts.next());
        receipts.next().expect("two").settle(Disposition::Ack);
        assert!(told.try_recv().is_err());
    }
}
