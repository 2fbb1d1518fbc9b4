//! The queue's depth, and counts of jobs to bring it up to date. Pure.

use tokio::time::Instant;

/// Numbers of jobs since this process started.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    /// Jobs that ended, as commits reported.
    pub(super) finished: u64,
    /// Jobs that this producer put on the queue.
    pub(super) accepted: u64,
}

impl Totals {
    /// Returns the numbers of jobs since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            finished: self.finished - earlier.finished,
            accepted: self.accepted - earlier.accepted,
        }
    }
}

/// The number of jobs that the queue held at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    pub(super) at: Instant,
    pub(super) jobs: u64,
    /// The totals just before the queue was asked.
    pub(super) totals: Totals,
    /// Since when every depth was above zero; `None` if this one is zero.
    pub(super) holding_since: Option<Instant>,
}

/// Returns a count of jobs as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts of jobs are far below 2^52")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
