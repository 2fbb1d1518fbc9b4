//! What settles a delivery. The broker knows messages, and a message may have held several
//! jobs, each a delivery of its own.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::ack_ranges::Tag;
use crate::queue::disposition::Disposition;
use quhao_common::process::metrics;

/// A message whose deliveries are all settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SettledMessage {
    pub(super) tag: Tag,
    pub(super) disposition: Disposition,
}

/// The number of a channel's deliveries that are not settled, whatever their messages are
/// waiting for: a job that takes long holds its message, but not the room of the jobs that
/// came with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsettled(Arc<AtomicUsize>);

impl Unsettled {
    /// Returns the number now.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The means to settle one delivery, over the channel that it came on.
#[derive(Debug)]
pub(in crate::queue) struct Receipt(Arc<OpenMessage>);

/// A message with deliveries that are not settled. It is settled with its last one.
#[derive(Debug)]
struct OpenMessage {
    tag: Tag,
    progress: Mutex<Progress>,
    unsettled: Unsettled,
    settlements: mpsc::UnboundedSender<SettledMessage>,
}

/// How far a message is settled.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Deliveries that are not settled.
    left: usize,
    /// What was decided for the others, together.
    disposition: Disposition,
}

impl Receipt {
    /// Creates the receipts of the `jobs` deliveries of one message. They count as `unsettled`
    /// until they are settled.
    pub(super) fn of_message(
        tag: Tag,
        jobs: usize,
        unsettled: &Unsettled,
        settlements: &mpsc::UnboundedSender<SettledMessage>,
    ) -> impl Iterator<Item = Self> + use<> {
        unsettled.0.fetch_add(jobs, Ordering::Relaxed);
        let message = Arc::new(OpenMessage {
            tag,
            progress: Mutex::new(Progress { left: jobs, disposition: Disposition::Ack }),
            unsettled: unsettled.clone(),
            settlements: settlements.clone(),
        });
        (0..jobs).map(move |_| Self(Arc::clone(&message)))
    }

    /// Settles the delivery, and its message if it was the last one.
    pub(in crate::queue) fn settle(self, disposition: Disposition) {
        let message = &*self.0;
        message.unsettled.0.fetch_sub(1, Ordering::Relaxed);
        let progress = {
            let mut progress = message.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.left -= 1;
            progress.disposition = combined(progress.disposition, disposition);
            *progress
        };
        if progress.left > 0 {
            return;
        }
        let settled = SettledMessage { tag: message.tag, disposition: progress.disposition };
        if message.settlements.send(settled).is_err() {
            // The channel is gone: the broker has taken the message back.
            metrics::acks_lost(1);
        }
    }
}

/// Returns what becomes of a message with deliveries that were settled like this.
///
/// The broker keeps or drops a message as a whole. So it is requeued if any delivery is: the
/// worker that gets it again finds that the other jobs are answered, and skips them.
fn combined(one: Disposition, other: Disposition) -> Disposition {
    use Disposition::{Ack, DeadLetter, Requeue};
    match (one, other) {
        (Requeue, _) | (_, Requeue) => Requeue,
        (DeadLetter, _) | (_, DeadLetter) => DeadLetter,
        (Ack, Ack) => Ack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles the deliveries of one message; returns what was sent after each.
    fn settle_all(dispositions: &[Disposition]) -> Vec<Option<SettledMessage>> {
        let (settlements, mut sent) = mpsc::unbounded_channel();
        let unsettled = Unsettled::default();
        let receipts = Receipt::of_message(7, dispositions.len(), &unsettled, &settlements);
        let mut left = dispositions.len();
        let settle = |(receipt, disposition): (Receipt, &Disposition)| {
            assert_eq!(unsettled.count(), left);
            receipt.settle(*disposition);
            left -= 1;
            assert_eq!(unsettled.count(), left, "its room is free at once");
            sent.try_recv().ok()
        };
        receipts.zip(dispositions).map(settle).collect()
    }

    #[test]
    fn message_is_acked_with_its_last_delivery() {
        let settled = Some(SettledMessage { tag: 7, disposition: Disposition::Ack });
        assert_eq!(settle_all(&[Disposition::Ack]), [settled]);
        assert_eq!(settle_all(&[Disposition::Ack; 3]), [None, None, settled]);
    }

    #[test]
    fn one_requeued_delivery_requeues_the_message() {
        use Disposition::{Ack, DeadLetter, Requeue};
        for (dispositions, expected) in [
            ([Ack, Requeue, Ack], Requeue),
            ([Requeue, DeadLetter, Ack], Requeue),
            ([DeadLetter, Ack, Requeue], Requeue),
            ([Ack, DeadLetter, Ack], DeadLetter),
            ([Requeue, Requeue, Requeue], Requeue),
        ] {
            let last = settle_all(&dispositions).pop().flatten();
            assert_eq!(last.map(|settled| settled.disposition), Some(expected), "{dispositions:?}");
        }
    }

    #[test]
    fn unsettled_delivery_keeps_its_message_open() {
        let (settlements, mut sent) = mpsc::unbounded_channel();
        let mut receipts = Receipt::of_message(7, 2, &Unsettled::default(), &settlements);
        drop(receipts.next());
        receipts.next().expect("two").settle(Disposition::Ack);
        assert!(sent.try_recv().is_err());
    }
}
