//! Whether a job that is submitted now would be done before its deadline.
//!
//! Commits report how long their jobs had waited and how many they were (`wait/watch.rs`
//! passes that on); the queue reports how many jobs it holds. `estimate.rs` turns both into a
//! time. Without fresh reports of jobs that wait, every job is admitted, and the queue's own
//! limit decides.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quhao_backend::{queue::Queue, store::Notification};
use quhao_common::process::metrics;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::estimate::Estimate;

mod depth;
mod estimate;
#[cfg(test)]
mod fleet;
mod producer_share;
mod throughput;

/// Time between two questions for the queue's depth while jobs wait.
const DEPTH_INTERVAL: Duration = Duration::from_millis(500);
/// Longest `Retry-After`: by then there may be more workers.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// What this producer knows of the queue's speed.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    estimate: Mutex<Estimate>,
    /// Notified when jobs wait, so that the queue's depth is worth asking for.
    busy: Notify,
}

impl Admission {
    /// Takes in what commits report.
    pub(crate) fn observe(&self, notification: &Notification) {
        let now = Instant::now();
        let mut estimate = self.estimate();
        if notification.after_gap {
            estimate.forget();
        }
        for sample in &notification.throughput {
            estimate.add(*sample);
        }
        if estimate.is_busy(now) {
            self.busy.notify_one();
        }
    }

    /// Admits a job with this much time until its deadline. Fails with the time to wait
    /// before another try if the job would not be done by then.
    pub(crate) fn admit(&self, time_left: Duration) -> Result<(), Duration> {
        let admitted = self.estimate().admit(Instant::now(), time_left);
        admitted.map_err(|retry_after| retry_after.min(RETRY_AFTER_MAX))
    }

    /// Counts a job of this producer that the queue has taken.
    pub(crate) fn count_accepted(&self) {
        self.estimate().count_accepted();
    }

    /// Asks `queue` for its depth as long as jobs wait there, until `stop`.
    pub(crate) async fn watch_depth(&self, queue: &Queue, stop: CancellationToken) {
        let watching = async {
            loop {
                self.busy.notified().await;
                while self.estimate().is_busy(Instant::now()) {
                    self.ask_depth(queue).await;
                    sleep(DEPTH_INTERVAL).await;
                }
                metrics::expected_wait(Duration::ZERO);
            }
        };
        stop.run_until_cancelled(watching).await;
    }

    /// Asks for the depth once, and publishes the expected time as a metric.
    async fn ask_depth(&self, queue: &Queue) {
        let totals = self.estimate().totals();
        let depth = queue.depth().await;
        let now = Instant::now();
        let mut estimate = self.estimate();
        match depth {
            Ok(jobs) => estimate.add_depth(now, totals, jobs),
            Err(error) => tracing::debug!(%error, "could not read the queue's depth"),
        }
        metrics::expected_wait(estimate.expected(now).unwrap_or_default());
    }

    /// Locks the estimate.
    fn estimate(&self) -> MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
