//! Which messages of a channel are unsettled, and how to settle them at the broker with the
//! fewest acks. Pure: knows delivery tags, sends nothing.
//!
//! Tags count up from 1 on each channel. One `basic.ack` with `multiple` settles all tags up
//! to its own, at a fraction of the cost of as many single ones. It must therefore never reach
//! beyond a tag that is still out, nor one that has arrived in this process without having
//! been seen here: with two subscriptions on a channel a later tag may be seen first.

use std::collections::{BTreeMap, BTreeSet};

use crate::queue::disposition::Disposition;

/// The number of a message on its channel.
pub(super) type Tag = u64;

/// The messages of one channel that the broker counts as unacknowledged. `A` is the means to
/// settle one.
pub(super) struct Outstanding<A> {
    /// Handed out and not settled.
    out: BTreeMap<Tag, A>,
    /// Settled, and not sent to the broker.
    settled: BTreeMap<Tag, (A, Disposition)>,
    /// Tags below `next` that were not seen yet.
    missing: BTreeSet<Tag>,
    next: Tag,
}

/// The settlements to send now: the single ones first, in any order, and the multiple one
/// after all of them, since it would ack some of them too.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Round<A> {
    pub(super) single: Vec<(A, Disposition)>,
    pub(super) multiple: Option<Multiple<A>>,
}

/// One ack for a whole run of messages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Multiple<A> {
    /// The last message of the run.
    pub(super) last: A,
    /// How many messages it acks.
    pub(super) count: u64,
}

impl<A> Outstanding<A> {
    /// Creates the empty set of a fresh channel.
    pub(super) fn new() -> Self {
        Self { out: BTreeMap::new(), settled: BTreeMap::new(), missing: BTreeSet::new(), next: 1 }
    }

    /// Adds a message that was seen.
    pub(super) fn insert(&mut self, tag: Tag, acker: A) {
        if tag >= self.next {
            self.missing.extend(self.next..tag);
            self.next = tag + 1;
        } else {
            self.missing.remove(&tag);
        }
        self.out.insert(tag, acker);
    }

    /// Returns how many messages are here, settled or not, that the broker counts as
    /// unacknowledged.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.settled.len()
    }

    /// Returns whether some are not settled yet.
    pub(super) fn has_unsettled(&self) -> bool {
        !self.out.is_empty()
    }

    /// Returns how many are settled and were not sent to the broker.
    pub(super) fn unsent(&self) -> u64 {
        self.settled.len() as u64
    }

    /// Settles a message. The broker learns of it with the next round.
    pub(super) fn settle(&mut self, tag: Tag, disposition: Disposition) {
        if let Some(acker) = self.out.remove(&tag) {
            self.settled.insert(tag, (acker, disposition));
        }
    }

    /// Removes and returns everything settled since the last round, in as few acks as
    /// possible.
    pub(super) fn round(&mut self) -> Round<A> {
        let first_out = self.out.first_key_value().map_or(self.next, |(tag, _)| *tag);
        let first_missing = self.missing.first().copied().unwrap_or(self.next);
        let barrier = first_out.min(first_missing);
        let mut round = Round { single: Vec::new(), multiple: None };
        for (tag, (acker, disposition)) in std::mem::take(&mut self.settled) {
            if tag > barrier || disposition != Disposition::Ack {
                round.single.push((acker, disposition));
            } else {
                let count = round.multiple.map_or(0, |run: Multiple<A>| run.count) + 1;
                round.multiple = Some(Multiple { last: acker, count });
            }
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

    use super::*;

    fn seen(tags: impl IntoIterator<Item = Tag>) -> Outstanding<Tag> {
        let mut outstanding = Outstanding::new();
        for tag in tags {
            outstanding.insert(tag, tag);
        }
        outstanding
    }

    fn acked(outstanding: &mut Outstanding<Tag>, tags: impl IntoIterator<Item = Tag>) {
        for tag in tags {
            outstanding.settle(tag, Disposition::Ack);
        }
    }

    #[test]
    fn nothing_settled_sends_nothing() {
        let round = seen(1..=3).round();
        assert_eq!(round, Round { single: vec![], multiple: None });
    }

    #[test]
    fn settled_is_unsent_until_the_next_round() {
        let mut outstanding = seen(1..=2);
        assert!(outstanding.has_unsettled());
        acked(&mut outstanding, [1, 2]);
        assert_eq!((outstanding.has_unsettled(), outstanding.unsent()), (false, 2));
        outstanding.round();
        assert_eq!((outstanding.unsent(), outstanding.len()), (0, 0));
    }

    #[test]
    fn a_run_from_the_start_is_one_ack() {
        let mut outstanding = seen(1..=5);
        acked(&mut outstanding, [3, 1, 2]);
        let round = outstanding.round();
        assert_eq!(round, Round { single: vec![], multiple: Some(Multiple { last: 3, count: 3 }) });
        assert_eq!(outstanding.len(), 2);
    }

    #[test]
    fn everything_settled_is_one_ack() {
        let mut outstanding = seen(1..=5);
        acked(&mut outstanding, 1..=5);
        assert_eq!(outstanding.round().multiple, Some(Multiple { last: 5, count: 5 }));
        assert_eq!(outstanding.len(), 0);
    }

    #[test]
    fn acks_beyond_an_unsettled_tag_are_single() {
        let mut outstanding = seen(1..=5);
        acked(&mut outstanding, [1, 3, 4]);
        let round = outstanding.round();
        assert_eq!(round.single, vec![(3, Disposition::Ack), (4, Disposition::Ack)]);
        assert_eq!(round.multiple, Some(Multiple { last: 1, count: 1 }));
        acked(&mut outstanding, [2, 5]);
        let round = outstanding.round();
        assert_eq!(round, Round { single: vec![], multiple: Some(Multiple { last: 5, count: 2 }) });
    }

    #[test]
    fn requeue_is_single_and_does_not_break_the_run() {
        let mut outstanding = seen(1..=4);
        acked(&mut outstanding, [1, 3, 4]);
        outstanding.settle(2, Disposition::Requeue);
        let round = outstanding.round();
        assert_eq!(round.single, vec![(2, Disposition::Requeue)]);
        assert_eq!(round.multiple, Some(Multiple { last: 4, count: 3 }));
    }

    #[test]
    fn ack_never_covers_an_unseen_tag() {
        let mut outstanding = seen([1, 2, 4]);
        acked(&mut outstanding, [1, 2, 4]);
        let round = outstanding.round();
        assert_eq!(round.single, vec![(4, Disposition::Ack)]);
        assert_eq!(round.multiple, Some(Multiple { last: 2, count: 2 }));
        outstanding.insert(3, 3);
        acked(&mut outstanding, [3]);
        assert_eq!(outstanding.round().multiple, Some(Multiple { last: 3, count: 1 }));
    }

    #[test]
    fn settling_an_unknown_tag_does_nothing() {
        let mut outstanding = seen([1]);
        acked(&mut outstanding, [7, 1, 1]);
        assert_eq!(outstanding.round().multiple, Some(Multiple { last: 1, count: 1 }));
        assert_eq!(outstanding.round(), Round { single: vec![], multiple: None });
    }

    /// Replays what a broker would do: what is sent must settle exactly what was settled here,
    /// each with its own disposition.
    #[test]
    fn broker_sees_each_delivery_settled_as_it_was() {
        for seed in 0..300 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut arriving: Vec<Tag> = (1..=60).collect();
            for window in arriving.chunks_mut(4) {
                window.shuffle(&mut rng);
            }
            let mut unacked: BTreeSet<Tag> = (1..=60).collect();
            let mut out = Vec::new();
            let mut settled = BTreeMap::new();
            let mut outstanding = Outstanding::new();
            arriving.reverse();
            while !unacked.is_empty() {
                for _ in 0..rng.random_range(0..8) {
                    if let Some(tag) = arriving.pop() {
                        outstanding.insert(tag, tag);
                        out.push(tag);
                    }
                }
                out.shuffle(&mut rng);
                for _ in 0..rng.random_range(0..8).min(out.len()) {
                    let tag = out.pop().unwrap();
                    let disposition = if rng.random_bool(0.8) {
                        Disposition::Ack
                    } else {
                        Disposition::DeadLetter
                    };
                    outstanding.settle(tag, disposition);
                    settled.insert(tag, disposition);
                }
                let round = outstanding.round();
                for (tag, disposition) in round.single {
                    assert!(unacked.remove(&tag), "{tag} was settled twice, seed {seed}");
                    assert_eq!(settled.remove(&tag), Some(disposition));
                }
                if let Some(Multiple { last, count }) = round.multiple {
                    let covered: Vec<Tag> = unacked.range(..=last).copied().collect();
                    assert_eq!(covered.len() as u64, count, "seed {seed}");
                    for tag in covered {
                        unacked.remove(&tag);
                        assert_eq!(settled.remove(&tag), Some(Disposition::Ack), "seed {seed}");
                    }
                }
                assert!(settled.is_empty(), "a settlement was not sent, seed {seed}");
            }
        }
    }
}
