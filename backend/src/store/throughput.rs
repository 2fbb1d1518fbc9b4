//! What commits tell of the queue that their jobs came from. Pure.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use quhao_common::domain::finished::Finished;

/// How the workers keep up, told by one commit.
///
/// The middle job speaks for all: one that had to be tried for a minute says nothing of
/// how long the next one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// Jobs in it.
    pub jobs: u32,
    /// How long the middle one had been in the queue.
    pub waited: Duration,
    /// How long the middle one took from there to its outcome.
    pub worked: Duration,
}

/// A throughput, and when it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedThroughput {
    /// By the listener's clock.
    pub at: Instant,
    /// What was heard.
    pub throughput: Throughput,
}

impl Throughput {
    /// What `batch` tells; `None` if none of its jobs came from the queue for the first
    /// time.
    pub fn of(batch: &[Finished]) -> Option<Self> {
        let taken = || batch.iter().filter_map(|finished| Some((finished, finished.taken_at?)));
        let waited = taken().map(|(finished, taken_at)| between(finished.created_at, taken_at));
        let worked = taken().map(|(finished, taken_at)| between(taken_at, finished.finished_at));
        Some(Self {
            jobs: u32::try_from(batch.len()).unwrap_or(u32::MAX),
            waited: middle(waited)?,
            worked: middle(worked)?,
        })
    }

    /// Both together; times as the average job has them.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let jobs = self.jobs.saturating_add(other.jobs);
        let average = |one: Duration, another: Duration| {
            let sum = one.as_secs_f64() * f64::from(self.jobs)
                + another.as_secs_f64() * f64::from(other.jobs);
            Duration::from_secs_f64(sum / f64::from(jobs.max(1)))
        };
        Self {
            jobs,
            waited: average(self.waited, other.waited),
            worked: average(self.worked, other.worked),
        }
    }
}

/// Nothing if the clocks of two machines say that the end came first.
fn between(start: OffsetDateTime, end: OffsetDateTime) -> Duration {
    (end - start).try_into().unwrap_or(Duration::ZERO)
}

fn middle(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throughput(jobs: u32, waited: u64, worked: u64) -> Throughput {
        let (waited, worked) = (Duration::from_millis(waited), Duration::from_millis(worked));
        Throughput { jobs, waited, worked }
    }

    #[test]
    fn together_each_job_counts_the_same() {
        assert_eq!(throughput(1, 100, 10).and(throughput(3, 500, 50)), throughput(4, 400, 40));
        assert_eq!(throughput(0, 0, 0).and(throughput(2, 500, 50)), throughput(2, 500, 50));
        assert_eq!(throughput(0, 0, 0).and(throughput(0, 500, 50)), throughput(0, 0, 0));
    }

    #[test]
    fn the_middle_one_speaks_for_all() {
        let seconds = |all: &[u64]| middle(all.iter().copied().map(Duration::from_secs));
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[7]), Some(Duration::from_secs(7)));
        assert_eq!(seconds(&[60, 1, 2]), Some(Duration::from_secs(2)));
    }

    #[test]
    fn clocks_that_disagree_make_no_time() {
        let now = time::macros::datetime!(2026-11-22 12:00 UTC);
        assert_eq!(between(now, now - Duration::from_secs(3)), Duration::ZERO);
        assert_eq!(between(now, now + Duration::from_secs(3)), Duration::from_secs(3));
    }
}
