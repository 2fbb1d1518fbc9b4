//! How many outcomes are committed at once.
//!
//! A store that is slow may take a small batch and never a large one, and the same batch
//! would fail for ever. So one that took too long is tried again in halves, and each one that
//! is committed lets the next ones grow.

/// The size of the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    now: usize,
    max: usize,
}

impl BatchSize {
    /// Creates a batch size with upper bound `max`, and begins there.
    pub fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { now: max, max }
    }

    /// Returns how many outcomes may be in the next batch: at least one.
    pub fn now(self) -> usize {
        self.now
    }

    /// Records that a batch of `rows` was committed.
    pub fn committed(&mut self, rows: usize) {
        self.now = self.now.max(rows.saturating_mul(2)).min(self.max);
    }

    /// Records that a batch of `rows` took too long.
    pub fn timed_out(&mut self, rows: usize) {
        self.now = (rows / 2).max(1);
    }
}
