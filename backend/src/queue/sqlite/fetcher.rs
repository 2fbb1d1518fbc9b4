//! The task that fetches messages from the table, as long as there is room for them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    in_flight::InFlight,
    rows::{self, Fetched},
};
use crate::{
    queue::delivery::{Delivery, Receipt},
    sqlite_file::{Database, DatabaseError},
};
use quhao_common::process::backoff::Backoff;

/// The most messages of one fetch: bounds the time that others wait for the writer.
const FETCH_MAX: usize = 256;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// The state of the task. Being a task of its own, it cannot lose what it fetched when a caller
/// of `next` goes away.
pub(super) struct Fetcher {
    pub(super) database: Arc<Database>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) asked: Arc<Notify>,
    /// Has room for as many as may be in flight.
    pub(super) deliver: mpsc::Sender<Delivery>,
    pub(super) delivery_limit: u32,
    pub(super) stopping: CancellationToken,
}

impl Fetcher {
    /// Runs until stopped.
    pub(super) async fn run(self) {
        let stopping = self.stopping.clone();
        stopping.run_until_cancelled(self.fetch_all()).await;
    }

    async fn fetch_all(self) {
        let mut failures = 0_u32;
        // Until then the table may not exist: the schema is made after the queue is opened.
        self.asked.notified().await;
        loop {
            let wanted = self.in_flight.room().min(FETCH_MAX);
            if wanted == 0 {
                self.in_flight.woken().await;
                continue;
            }
            match self.fetch(wanted).await {
                Ok(fetched) => {
                    failures = 0;
                    let is_exhausted = fetched.found < wanted;
                    self.deliver(fetched);
                    if is_exhausted {
                        self.in_flight.woken().await;
                    }
                }
                Err(DatabaseError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "jobs could not be fetched from the queue; retrying");
                    failures = failures.saturating_add(1);
                    // No other process could retry in step with this one: the whole pause.
                    sleep(BACKOFF.pause(failures, 1.0)).await;
                }
            }
        }
    }

    async fn fetch(&self, wanted: usize) -> Result<Fetched, DatabaseError> {
        let in_flight = self.in_flight.ids();
        let delivery_limit = self.delivery_limit;
        // If the answer is lost, no message is: one that is not in flight is free.
        self.database
            .write_without_limit(move |connection| {
                Box::pin(rows::fetch(connection, in_flight, wanted, delivery_limit))
            })
            .await
    }

    fn deliver(&self, fetched: Fetched) {
        for job in fetched.dead_lettered {
            tracing::error!(
                job,
                "a job was delivered too often, even as a dead letter; \
                 it is kept in the queue's file and is not delivered again"
            );
        }
        for row in fetched.rows {
            let receipt = Receipt::Sqlite(self.in_flight.add(row.id));
            let rows::ReadyRow { body, lane, redelivered, .. } = row;
            let delivery = Delivery { body, lane, redelivered, receipt };
            // Closed when consuming was stopped: dropped, it is free again.
            let _ = self.deliver.try_send(delivery);
        }
    }
}
