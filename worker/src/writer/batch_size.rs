//! How many outcomes are committed at once.
//!
//! A store that is slow may take a small batch and never a large one, and the same batch
//! would fail for ever. So one that took too long is tried again in halves, and what goes
//! through lets the next ones grow.

/// The size of the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    now: usize,
    max: usize,
}

impl BatchSize {
    /// At most `max`.
    pub fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { now: max, max }
    }

    /// How many may be in the next batch: at least one.
    pub fn now(self) -> usize {
        self.now
    }

    /// A batch of `rows` was committed.
    pub fn went_through(&mut self, rows: usize) {
        self.now = self.now.max(rows.saturating_mul(2)).min(self.max);
    }

    /// A batch of `rows` took too long.
    pub fn took_too_long(&mut self, rows: usize) {
        self.now = (rows / 2).max(1);
    }
}
