//! Commits the outcomes of one batch, in as many parts as the store needs.

use std::time::{Duration, Instant};

use quhao_backend::store::StoreError;
use quhao_common::{
    domain::finished::Finished,
    process::{
        backoff::Backoff,
        metrics::{self, CommitFailure},
    },
};
use tracing::{error, warn};

use super::{PendingOutcome, Unsettled, Writer, batch_size::BatchSize};
use crate::{health::StoreUse, settlement::CommitResult};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A batch that is being committed. Dropping one of its calls midway leaves it whole: what is
/// not settled yet is still in it.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    writer: &'a Writer,
    size: &'a mut BatchSize,
    /// The rows that are not settled yet, apart from what they settle: the store takes a slice.
    rows: Vec<Finished>,
    unsettled: Vec<Unsettled>,
    /// Commits in a row that the store did not answer.
    failures: u32,
}

/// Rows that the store will never take.
struct Refused {
    /// How many of the first ones.
    rows: usize,
    error: StoreError,
}

/// Why one commit failed.
enum Failed {
    /// The store will never take these rows.
    Refused(StoreError),
    /// The store may take them later.
    Unavailable {
        /// Whether it had its time.
        slow: bool,
    },
}

impl<'a> Commit<'a> {
    /// Creates the commit of `outcomes`.
    pub(super) fn new(
        writer: &'a Writer,
        outcomes: Vec<PendingOutcome>,
        size: &'a mut BatchSize,
    ) -> Self {
        let (rows, unsettled) =
            outcomes.into_iter().map(|outcome| (outcome.row, outcome.unsettled)).unzip();
        Self { writer, size, rows, unsettled, failures: 0 }
    }

    /// Returns what is not settled yet.
    pub(super) fn into_uncommitted(self) -> Vec<PendingOutcome> {
        let rows = self.rows.into_iter().zip(self.unsettled);
        rows.map(|(row, unsettled)| PendingOutcome { row, unsettled }).collect()
    }

    /// Commits all outcomes, however long the store is out of reach.
    pub(super) async fn all(&mut self) {
        while !self.rows.is_empty() {
            if let Err(Refused { rows, error }) = self.batch(usize::MAX).await {
                if rows > 1 {
                    // One bad row must not take its neighbours along.
                    warn!(%error, rows, "the store refused a batch: committing row by row");
                    self.row_by_row(rows).await;
                } else {
                    self.refuse(&error);
                }
            }
        }
    }

    /// Commits the first `rows` one by one.
    async fn row_by_row(&mut self, rows: usize) {
        for _ in 0..rows {
            if let Err(Refused { error, .. }) = self.batch(1).await {
                self.refuse(&error);
            }
        }
    }

    /// Commits the first outcomes together: as many as the store takes in time, `max` at most.
    /// Waits for the store as long as it is out of reach.
    async fn batch(&mut self, max: usize) -> Result<(), Refused> {
        loop {
            let rows = self.rows.len().min(self.size.now()).min(max);
            match self.writer.commit(&self.rows[..rows]).await {
                Ok(()) => {
                    self.failures = 0;
                    self.size.committed(rows);
                    self.release(rows, CommitResult::Committed);
                    return Ok(());
                }
                Err(Failed::Unavailable { slow }) => {
                    if slow {
                        self.size.timed_out(rows);
                    }
                    self.failures += 1;
                    tokio::time::sleep(BACKOFF.pause(self.failures, rand::random())).await;
                }
                Err(Failed::Refused(error)) => return Err(Refused { rows, error }),
            }
        }
    }

    /// Settles the first row, which the store refused by itself.
    fn refuse(&mut self, error: &StoreError) {
        let id = self.unsettled[0].id;
        error!(%id, %error, "the store refused an outcome: its delivery is dead-lettered");
        self.release(1, CommitResult::Refused);
    }

    fn release(&mut self, rows: usize, result: CommitResult) {
        for (row, unsettled) in self.rows.drain(..rows).zip(self.unsettled.drain(..rows)) {
            unsettled.release(&self.writer.in_flight, &row, result);
        }
    }
}

impl Writer {
    /// Commits `rows` once.
    async fn commit(&self, rows: &[Finished]) -> Result<(), Failed> {
        let started = Instant::now();
        match self.context.store.finish(rows).await {
            Ok(()) => {
                metrics::committed(rows.len(), started.elapsed());
                self.health.store_answered(StoreUse::Commit);
                if rows.iter().any(|row| row.callback.is_some()) {
                    self.callbacks_due.notify_one();
                }
                Ok(())
            }
            Err(error @ StoreError::Unavailable(_)) => {
                metrics::commit_failed(CommitFailure::Unavailable);
                if self.health.store_failed(StoreUse::Commit) {
                    warn!(%error, "store unavailable: keeping outcomes until it is back");
                }
                Err(Failed::Unavailable { slow: started.elapsed() >= self.slow })
            }
            Err(error) => {
                metrics::commit_failed(CommitFailure::Rejected);
                Err(Failed::Refused(error))
            }
        }
    }
}
