//! How many jobs a message brings, as far as this process has seen: the broker counts
//! messages only, so a depth in jobs is an estimate.

use std::sync::atomic::{AtomicU32, Ordering};

/// Parts of one, so that the mean is a whole number.
const UNIT: u32 = 1 << 16;
/// The weight of what was seen before the newest message.
const MEMORY: u32 = 32;

/// A mean over about the last 32 messages, published or taken.
#[derive(Debug)]
pub(super) struct MeanJobs(AtomicU32);

impl MeanJobs {
    /// One job a message, until more are seen.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(UNIT))
    }

    /// A message with `jobs` was seen. Two that are seen at once may count as one.
    pub(super) fn see(&self, jobs: usize) {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX / UNIT).min(u32::MAX / UNIT / MEMORY);
        let before = self.0.load(Ordering::Relaxed);
        let now = before - before / MEMORY + jobs * UNIT / MEMORY;
        self.0.store(now, Ordering::Relaxed);
    }

    /// How many jobs so many `messages` bring, about. None bring none.
    pub(super) fn of(&self, messages: u64) -> u64 {
        let mean = u64::from(self.0.load(Ordering::Relaxed));
        messages.saturating_mul(mean).div_ceil(u64::from(UNIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_jobs_are_counted_as_they_are() {
        let mean = MeanJobs::new();
        for _ in 0..1000 {
            mean.see(1);
            assert_eq!(mean.of(7), 7);
        }
        assert_eq!(mean.of(0), 0);
    }

    #[test]
    fn it_follows_what_is_seen() {
        let mean = MeanJobs::new();
        for _ in 0..500 {
            mean.see(16);
        }
        assert!((1590..=1600).contains(&mean.of(100)), "{}", mean.of(100));
        for _ in 0..500 {
            mean.see(1);
        }
        assert!((100..=101).contains(&mean.of(100)), "{}", mean.of(100));
    }
}
