//! What listeners hear.

use super::throughput::{ObservedThroughput, Throughput};
use quhao_common::domain::id::JobKey;

/// Unread keys beyond this become "look at all".
const KEYS_MAX: usize = 10_000;
/// Unread throughputs beyond this are as good as lost: they tell of a time that is over.
const THROUGHPUTS_MAX: usize = 1_000;

/// What was finished since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Who has an answer.
    pub finished: FinishedJobs,
    /// What commits finished of the queue, oldest first.
    pub throughputs: Vec<ObservedThroughput>,
    /// Whether word of earlier commits may have been lost.
    pub after_gap: bool,
}

/// Which jobs have an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishedJobs {
    /// These.
    Keys(Vec<JobKey>),
    /// Some: look at all.
    Unknown,
}

impl Notification {
    /// Notification of one commit, heard now.
    pub fn of(finished: FinishedJobs, throughput: Option<Throughput>) -> Self {
        let at = tokio::time::Instant::now();
        let throughputs = throughput
            .into_iter()
            .map(|throughput| ObservedThroughput { at, throughput })
            .collect();
        Self { finished, throughputs, after_gap: false }
    }

    /// What there is to say when news may have been lost.
    pub fn lost() -> Self {
        Self { finished: FinishedJobs::Unknown, throughputs: Vec::new(), after_gap: true }
    }

    /// Both, bounded.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        if later.after_gap {
            self.throughputs.clear();
        }
        self.after_gap |= later.after_gap;
        self.throughputs.extend(later.throughputs);
        if self.throughputs.len() > THROUGHPUTS_MAX {
            self.throughputs.clear();
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
        Notification::of(FinishedJobs::Keys(keys), None)
    }

    fn paced(jobs: u32) -> Notification {
        let throughput = Throughput { jobs, waited: Duration::ZERO, worked: Duration::ZERO };
        Notification::of(FinishedJobs::Unknown, Some(throughput))
    }

    #[test]
    fn keys_join_and_fold_beyond_the_bound() {
        assert_eq!(finished(2).then(finished(3)), finished(5));
        assert_eq!(finished(KEYS_MAX).then(finished(1)).finished, FinishedJobs::Unknown);
        assert_eq!(Notification::lost().then(finished(1)).finished, FinishedJobs::Unknown);
        assert_eq!(finished(1).then(Notification::lost()).finished, FinishedJobs::Unknown);
    }

    #[test]
    fn paces_stay_in_order_and_end_at_a_loss() {
        let jobs = |news: &Notification| {
            news.throughputs.iter().map(|heard| heard.throughput.jobs).collect::<Vec<_>>()
        };
        let both = paced(1).then(paced(2));
        assert_eq!((jobs(&both), both.after_gap), (vec![1, 2], false));
        let lost = both.then(Notification::lost()).then(paced(3));
        assert_eq!((jobs(&lost), lost.after_gap), (vec![3], true));
        let full = (0..THROUGHPUTS_MAX).fold(Notification::lost(), |news, _| news.then(paced(1)));
        assert_eq!(full.throughputs.len(), THROUGHPUTS_MAX);
        let beyond = full.then(paced(1));
        assert_eq!((jobs(&beyond), beyond.after_gap), (vec![], true));
    }
}
