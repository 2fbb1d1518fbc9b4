//! Commits outcomes in batches, then settles their deliveries.
//!
//! While one commit is under way the next batch collects, so batches grow with the load
//! and nothing waits when there is none. An outcome is kept until it is committed, however
//! long the store is away: its slot stays taken, so the worker stops taking by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::{
    backoff::Backoff,
    metrics,
    queue::{Delivery, Verdict},
    store::{Finished, Store, StoreError},
};
use tokio::sync::{Notify, mpsc};
use tracing::{error, warn};

use crate::{health::Health, in_flight::InFlight, slots::Slot};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// One outcome with what hangs on it.
#[derive(Debug)]
pub struct Item {
    /// What to commit.
    pub finished: Finished,
    /// What to settle then.
    pub delivery: Delivery,
    /// What to free then.
    pub slot: Slot,
}

/// The one writer of a worker.
#[derive(Debug)]
pub struct Writer {
    /// Where to commit.
    pub store: Arc<Store>,
    /// Whose copies to settle.
    pub in_flight: Arc<InFlight>,
    /// Whom to tell how the store is.
    pub health: Arc<Health>,
    /// Whom to tell that callbacks are due.
    pub callbacks_due: Arc<Notify>,
    /// Outcomes in one commit at most.
    pub batch_max: usize,
}

impl Writer {
    /// Writes until every sender is gone and everything is committed.
    pub async fn run(self, mut items: mpsc::Receiver<Item>) {
        let mut batch = Vec::with_capacity(self.batch_max);
        while items.recv_many(&mut batch, self.batch_max).await > 0 {
            self.write(std::mem::take(&mut batch)).await;
        }
    }

    async fn write(&self, batch: Vec<Item>) {
        let (rows, held): (Vec<Finished>, Vec<(Delivery, Slot)>) =
            batch.into_iter().map(|item| (item.finished, (item.delivery, item.slot))).unzip();
        let refused = match self.commit(&rows).await {
            Ok(()) => vec![false; rows.len()],
            // One bad row must not take its neighbours along.
            Err(error) if rows.len() > 1 => {
                warn!(%error, rows = rows.len(), "the store refused a batch; going row by row");
                let mut refused = Vec::with_capacity(rows.len());
                for row in &rows {
                    refused.push(self.commit(std::slice::from_ref(row)).await.is_err());
                }
                refused
            }
            Err(error) => {
                error!(%error, "the store refused an outcome; its delivery is set aside");
                vec![true]
            }
        };
        for ((row, (delivery, slot)), refused) in rows.iter().zip(held).zip(refused) {
            let verdict = if refused { Verdict::DeadLetter } else { Verdict::Ack };
            self.in_flight.settle(row.key, delivery, verdict);
            drop(slot);
        }
    }

    /// Commits `rows`, however long the store is out of reach. Fails only if the store
    /// will never take them.
    async fn commit(&self, rows: &[Finished]) -> Result<(), StoreError> {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            match self.store.finish(rows).await {
                Ok(()) => {
                    metrics::committed(rows.len(), started.elapsed());
                    self.health.store_answers();
                    if rows.iter().any(|row| row.callback) {
                        self.callbacks_due.notify_one();
                    }
                    return Ok(());
                }
                Err(error @ StoreError::Unavailable(_)) => {
                    metrics::commit_failed("unavailable");
                    if self.health.store(false) {
                        warn!(%error, "outcomes are kept until the store is back");
                    }
                    failures += 1;
                    tokio::time::sleep(BACKOFF.pause(failures, rand::random())).await;
                }
                Err(error) => {
                    metrics::commit_failed("rejected");
                    return Err(error);
                }
            }
        }
    }
}
