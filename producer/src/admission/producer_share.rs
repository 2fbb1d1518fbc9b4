//! This producer's share of the jobs of all producers. Pure.

use super::depth::float;

/// Fewer jobs of this producer than these between two depths say nothing of its share.
const OWN_JOBS_MIN: u64 = 10;
/// Largest number of jobs that all producers are taken to submit for each one here.
const JOBS_FOR_EACH_OWN_MAX: f64 = 100.0;

/// How many jobs all producers put on the queue while this one put its own there. Older
/// counts are halved at each new one.
#[derive(Debug, Default)]
pub(super) struct ProducerShare {
    all: f64,
    own: f64,
}

impl ProducerShare {
    /// Adds the jobs that came between two depths, if they are enough to say something.
    ///
    /// Jobs that are dropped because they are too late are not reported: then fewer jobs
    /// seem to have come than came.
    pub(super) fn add(&mut self, all: u64, own: u64) {
        if own >= OWN_JOBS_MIN && all >= own {
            self.all = self.all / 2.0 + float(all);
            self.own = self.own / 2.0 + float(own);
        }
    }

    /// Returns how many jobs come for each one that comes here. Producers share the load
    /// evenly and all of them judge by the same notifications: what holds here holds there.
    pub(super) fn jobs_for_each_own(&self) -> f64 {
        if self.own > 0.0 { (self.all / self.own).min(JOBS_FOR_EACH_OWN_MAX) } else { 1.0 }
    }
}
