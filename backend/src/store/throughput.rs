//! What a commit says about the queue that its jobs came from. Pure.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use quhao_common::domain::finished::Finished;

/// How fast the workers run jobs, as seen in one commit.
///
/// The times are medians: a job that was retried for a minute says nothing about how long the
/// next one takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// The number of jobs in the commit.
    pub jobs: u32,
    /// How long the median job was in the queue.
    pub waited: Duration,
    /// How long the median job took from the queue to its outcome.
    pub worked: Duration,
}

/// A throughput and when it was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedThroughput {
    /// When, by the listener's clock.
    pub at: Instant,
    /// What was observed.
    pub throughput: Throughput,
}

impl Throughput {
    /// Returns the throughput that `batch` shows; `None` if none of its jobs came from the
    /// queue for the first time.
    pub fn of(batch: &[Finished]) -> Option<Self> {
        let mut waited = Vec::with_capacity(batch.len());
        let mut worked = Vec::with_capacity(batch.len());
        for finished in batch {
            if let Some(taken_at) = finished.taken_at {
                waited.push(between(finished.created_at, taken_at));
                worked.push(between(taken_at, finished.finished_at));
            }
        }
        Some(Self {
            jobs: u32::try_from(batch.len()).unwrap_or(u32::MAX),
            waited: median(waited)?,
            worked: median(worked)?,
        })
    }

    /// Combines two throughputs: the sum of the jobs, and the times of the average job.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        let jobs = self.jobs.saturating_add(other.jobs);
        let average = |mine: Duration, others: Duration| {
            let sum = mine.as_secs_f64() * f64::from(self.jobs)
                + others.as_secs_f64() * f64::from(other.jobs);
            Duration::from_secs_f64(sum / f64::from(jobs.max(1)))
        };
        Self {
            jobs,
            waited: average(self.waited, other.waited),
            worked: average(self.worked, other.worked),
        }
    }
}

/// Returns the time from `start` to `end`; nothing if the clocks of two machines put the end
/// first.
fn between(start: OffsetDateTime, end: OffsetDateTime) -> Duration {
    (end - start).try_into().unwrap_or(Duration::ZERO)
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throughput(jobs: u32, waited_ms: u64, worked_ms: u64) -> Throughput {
        Throughput {
            jobs,
            waited: Duration::from_millis(waited_ms),
            worked: Duration::from_millis(worked_ms),
        }
    }

    #[test]
    fn each_job_counts_the_same_when_combined() {
        let combined = throughput(1, 100, 10).combine(throughput(3, 500, 50));
        assert_eq!(combined, throughput(4, 400, 40));
        let with_none = throughput(0, 0, 0).combine(throughput(2, 500, 50));
        assert_eq!(with_none, throughput(2, 500, 50));
        let none = throughput(0, 0, 0).combine(throughput(0, 500, 50));
        assert_eq!(none, throughput(0, 0, 0));
    }

    #[test]
    fn median_is_the_middle_time() {
        let seconds = |all: &[u64]| median(all.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[7]), Some(Duration::from_secs(7)));
        assert_eq!(seconds(&[60, 1, 2]), Some(Duration::from_secs(2)));
    }

    #[test]
    fn time_between_disagreeing_clocks_is_zero() {
        let now = time::macros::datetime!(2026-11-22 12:00 UTC);
        assert_eq!(between(now, now - Duration::from_secs(3)), Duration::ZERO);
        assert_eq!(between(now, now + Duration::from_secs(3)), Duration::from_secs(3));
    }
}
