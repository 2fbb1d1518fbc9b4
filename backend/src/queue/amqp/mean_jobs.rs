//! How many jobs a message holds on average. The broker counts messages only, so a depth in
//! jobs is an estimate.

use std::sync::atomic::{AtomicU32, Ordering};

/// The fixed-point unit: this many parts make one job.
const UNIT: u32 = 1 << 16;
/// The number of messages that the mean is about.
const WINDOW: u32 = 32;

/// The moving average of jobs in a message, over about the last 32 messages that this process
/// published or consumed.
#[derive(Debug)]
pub(super) struct MeanJobs(AtomicU32);

impl MeanJobs {
    /// Creates an average of one job a message.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(UNIT))
    }

    /// Records a message that holds `jobs`. Of two that are recorded at the same time, one may
    /// be missed.
    pub(super) fn record(&self, jobs: usize) {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX / UNIT).min(u32::MAX / UNIT / WINDOW);
        let before = self.0.load(Ordering::Relaxed);
        let after = before - before / WINDOW + jobs * UNIT / WINDOW;
        self.0.store(after, Ordering::Relaxed);
    }

    /// Estimates how many jobs are in so many `messages`; 0 for none.
    pub(super) fn estimate(&self, messages: u64) -> u64 {
        let mean = u64::from(self.0.load(Ordering::Relaxed));
        messages.saturating_mul(mean).div_ceil(u64::from(UNIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_jobs_are_counted_exactly() {
        let mean = MeanJobs::new();
        for _ in 0..1000 {
            mean.record(1);
            assert_eq!(mean.estimate(7), 7);
        }
        assert_eq!(mean.estimate(0), 0);
    }

    #[test]
    fn estimate_follows_recent_messages() {
        let mean = MeanJobs::new();
        for _ in 0..500 {
            mean.record(16);
        }
        assert!((1590..=1600).contains(&mean.estimate(100)), "{}", mean.estimate(100));
        for _ in 0..500 {
            mean.record(1);
        }
        assert!((100..=101).contains(&mean.estimate(100)), "{}", mean.estimate(100));
    }
}
