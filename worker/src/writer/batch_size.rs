//! How many outcomes are committed at once.
//!
//! A store that is slow may take a small batch and never a large one, and the same batch
//! would fail for ever. So one that took too long is tried again in halves, and each one that
//! is committed lets the next ones grow.

/// The size of the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchSize {
    now: usize,
    max: usize,
}

impl BatchSize {
    /// Creates a batch size with upper bound `max`, and begins there.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { now: max, max }
    }

    /// Returns how many outcomes may be in the next batch: at least one.
    pub(crate) fn now(self) -> usize {
        self.now
    }

    /// Records that a batch of `rows` was committed.
    pub(crate) fn committed(&mut self, rows: usize) {
        self.now = self.now.max(rows.saturating_mul(2)).min(self.max);
    }

    /// Records that a batch of `rows` took too long.
    pub(crate) fn timed_out(&mut self, rows: usize) {
        self.now = (rows / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The store takes `takes` rows in time and no more.
        #[test]
        fn a_slow_store_gets_what_it_can_take(max in 1..2000_usize, takes in 1..2000_usize) {
            let mut size = BatchSize::new(max);
            let mut rows = 5000;
            let mut tries = 0;
            while rows > 0 {
                let part = size.now().min(rows);
                prop_assert!((1..=max).contains(&part));
                if part <= takes {
                    rows -= part;
                    size.committed(part);
                } else {
                    size.timed_out(part);
                }
                tries += 1;
            }
            // Each time that it grows too large costs one try.
            let parts = 5000 / takes.min(max) + 1;
            prop_assert!(tries <= 4 * parts + 24, "{tries} tries for {parts} parts");
        }
    }
}
