//! Commit notifications.

use super::throughput::{ObservedThroughput, Throughput};
use quhao_common::domain::id::JobKey;

/// The most unread keys; more become [`FinishedJobs::Unknown`].
const KEYS_MAX: usize = 10_000;
/// The most unread observations of throughput. More are dropped: they are about the past.
const THROUGHPUT_MAX: usize = 1_000;

/// What has been committed since the listener last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The jobs that have an answer.
    pub finished: FinishedJobs,
    /// The throughput of the commits, oldest first.
    pub throughput: Vec<ObservedThroughput>,
    /// Whether notifications of earlier commits may have been lost.
    pub after_gap: bool,
}

/// Which jobs have an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishedJobs {
    /// These.
    Keys(Vec<JobKey>),
    /// Too many to list, or not known: check all.
    Unknown,
}

impl Notification {
    /// Creates the notification of one commit, received now.
    pub fn of_commit(finished: FinishedJobs, throughput: Option<Throughput>) -> Self {
        let at = tokio::time::Instant::now();
        let observed = throughput.map(|throughput| ObservedThroughput { at, throughput });
        Self { finished, throughput: observed.into_iter().collect(), after_gap: false }
    }

    /// Creates the notification that earlier ones may have been lost.
    pub fn gap() -> Self {
        Self { finished: FinishedJobs::Unknown, throughput: Vec::new(), after_gap: true }
    }

    /// Merges two notifications. Drops keys and throughput beyond the limits.
    #[must_use]
    pub fn merge(mut self, later: Self) -> Self {
        if later.after_gap {
            self.throughput.clear();
        }
        self.after_gap |= later.after_gap;
        self.throughput.extend(later.throughput);
        if self.throughput.len() > THROUGHPUT_MAX {
            self.throughput.clear();
            self.after_gap = true;
        }
        let finished = match (self.finished, later.finished) {
            (FinishedJobs::Keys(mut keys), FinishedJobs::Keys(more))
                if keys.len() + more.len() <= KEYS_MAX =>
            {
                keys.extend(more);
                FinishedJobs::Keys(keys)
            }
            _ => FinishedJobs::Unknown,
        };
        Self { finished, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn finished(count: usize) -> Notification {
        let keys = vec![JobKey::from_bytes([7; 16]); count];
        Notification::of_commit(FinishedJobs::Keys(keys), None)
    }

    fn observed(jobs: u32) -> Notification {
        let throughput = Throughput { jobs, waited: Duration::ZERO, worked: Duration::ZERO };
        Notification::of_commit(FinishedJobs::Unknown, Some(throughput))
    }

    #[test]
    fn merged_keys_beyond_the_limit_are_unknown() {
        assert_eq!(finished(2).merge(finished(3)), finished(5));
        assert_eq!(finished(KEYS_MAX).merge(finished(1)).finished, FinishedJobs::Unknown);
        assert_eq!(Notification::gap().merge(finished(1)).finished, FinishedJobs::Unknown);
        assert_eq!(finished(1).merge(Notification::gap()).finished, FinishedJobs::Unknown);
    }

    #[test]
    fn throughput_stays_in_order_and_ends_at_a_gap() {
        let jobs = |notification: &Notification| -> Vec<u32> {
            notification.throughput.iter().map(|observed| observed.throughput.jobs).collect()
        };
        let both = observed(1).merge(observed(2));
        assert_eq!((jobs(&both), both.after_gap), (vec![1, 2], false));
        let lost = both.merge(Notification::gap()).merge(observed(3));
        assert_eq!((jobs(&lost), lost.after_gap), (vec![3], true));
        let mut full = Notification::gap();
        for _ in 0..THROUGHPUT_MAX {
            full = full.merge(observed(1));
        }
        assert_eq!(full.throughput.len(), THROUGHPUT_MAX);
        let beyond = full.merge(observed(1));
        assert_eq!((jobs(&beyond), beyond.after_gap), (vec![], true));
    }
}
