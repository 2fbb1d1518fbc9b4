//! Whether a job that is submitted now would be done in time.
//!
//! Commits tell how long their jobs had waited and how many they were (`wait.rs` passes
//! that on), the queue tells how many wait. `estimate.rs` makes a time of it; without
//! fresh word of jobs that wait, everything is taken and the queue's own limit decides.

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

use crate::{
    admission::estimate::Estimate,
    http::problem::{Problem, ProblemCode},
};

mod estimate;

/// How often the queue is asked for its depth while jobs wait.
const EVERY: Duration = Duration::from_millis(500);
/// Longest `Retry-After`: by then there may be more workers.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// What this producer knows of the queue's speed.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    estimate: Mutex<Estimate>,
    busy: Notify,
}

impl Admission {
    /// Takes in what commits told.
    pub(crate) fn hear(&self, news: &Notification) {
        let now = Instant::now();
        let mut estimate = self.estimate();
        if news.after_gap {
            estimate.forget();
        }
        for heard in &news.throughputs {
            estimate.hear(*heard);
        }
        if estimate.is_busy(now) {
            self.busy.notify_one();
        }
    }

    /// Turns a job away that has `life` before it and would not be done within that.
    pub(crate) fn judge(&self, life: Duration) -> Result<(), Problem> {
        self.estimate().judge(Instant::now(), life).map_err(|wait| {
            Problem::from(ProblemCode::WouldExpire).retry_after(wait.min(RETRY_AFTER_MAX))
        })
    }

    /// The queue has taken a job of this producer.
    pub(crate) fn accepted(&self) {
        self.estimate().accepted();
    }

    /// Asks `queue` how much it holds, as long as jobs wait there, until `stop`.
    pub(crate) async fn watch(&self, queue: &Queue, stop: CancellationToken) {
        let watching = async {
            loop {
                self.busy.notified().await;
                while self.estimate().is_busy(Instant::now()) {
                    self.ask(queue).await;
                    sleep(EVERY).await;
                }
                metrics::expected_wait(Duration::ZERO);
            }
        };
        stop.run_until_cancelled(watching).await;
    }

    async fn ask(&self, queue: &Queue) {
        let marks = self.estimate().marks();
        let depth = queue.depth().await;
        let now = Instant::now();
        let mut estimate = self.estimate();
        match depth {
            Ok(jobs) => estimate.measure(now, marks, jobs),
            Err(error) => tracing::debug!(%error, "the queue does not tell its depth"),
        }
        metrics::expected_wait(estimate.expected(now).unwrap_or_default());
    }

    fn estimate(&self) -> MutexGuard<'_, Estimate> {
        self.estimate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
