//! The task that writes settlements, many at a time.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    in_flight::{InFlight, Settlement},
    rows,
};
use crate::sqlite_file::{Database, DatabaseError};
use quhao_common::process::{backoff::Backoff, metrics};

/// The most settlements in one write.
const SETTLE_MAX: usize = 512;
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// The state of the task.
pub(super) struct Settler {
    pub(super) database: Arc<Database>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) inbox: mpsc::Receiver<Settlement>,
    pub(super) closing: CancellationToken,
}

impl Settler {
    /// Runs until the queue is closed and everything that was settled before is written.
    pub(super) async fn run(mut self) {
        let closing = self.closing.clone();
        let mut batch = Vec::with_capacity(SETTLE_MAX);
        loop {
            tokio::select! {
                biased;
                _ = self.inbox.recv_many(&mut batch, SETTLE_MAX) => {}
                () = closing.cancelled(), if !self.inbox.is_closed() => {
                    self.inbox.close();
                    continue;
                }
            }
            if batch.is_empty() {
                return;
            }
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    /// Writes `batch`, however many attempts it takes; while closing, it tries once. To write it
    /// twice does no harm. Until it is written its messages stay in flight, so none is
    /// delivered again.
    async fn write(&self, batch: Vec<Settlement>) {
        let mut failures = 0_u32;
        while let Err(error) = self.try_write(&batch).await {
            if self.closing.is_cancelled() {
                tracing::warn!(
                    %error,
                    jobs = batch.len(),
                    "settlements were lost: their jobs are delivered again"
                );
                metrics::acks_lost(batch.len() as u64);
                break;
            }
            tracing::warn!(
                %error,
                jobs = batch.len(),
                "settlements could not be written; retrying"
            );
            failures = failures.saturating_add(1);
            // No other process could retry in step with this one: the whole pause.
            let pause = BACKOFF.pause(failures, 1.0);
            self.closing.run_until_cancelled(sleep(pause)).await;
        }
        self.in_flight.remove(batch.into_iter().map(Settlement::id));
    }

    async fn try_write(&self, batch: &[Settlement]) -> Result<(), DatabaseError> {
        let mut removed = Vec::new();
        let mut dead_lettered = Vec::new();
        for settlement in batch {
            match *settlement {
                Settlement::Remove(id) => removed.push(id),
                Settlement::DeadLetter(id) => dead_lettered.push(id),
            }
        }
        self.database
            .write(SETTLE_LIMIT, move |connection| {
                Box::pin(async move {
                    rows::remove(connection, &removed).await?;
                    rows::dead_letter(connection, &dead_lettered).await
                })
            })
            .await
    }
}
