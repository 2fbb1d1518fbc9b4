//! The task that takes envelopes out of the table, as long as there is room for them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{in_flight::Held, rows};
use crate::{
    queue::{Receipt, delivery::Delivery},
    sqlite_file::{Database, DatabaseError},
};
use quhao_common::process::backoff::Backoff;

/// Envelopes in one look: bounds the time that others wait for the writer.
const TAKE_MAX: usize = 256;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Being a task of its own, it cannot lose what it took when a caller of `next` goes away.
pub(super) struct Taker {
    pub(super) database: Arc<Database>,
    pub(super) held: Arc<Held>,
    pub(super) asked: Arc<Notify>,
    /// Has room for as many as may be out.
    pub(super) deliver: mpsc::Sender<Delivery>,
    pub(super) delivery_limit: u32,
    pub(super) stopping: CancellationToken,
}

impl Taker {
    pub(super) async fn run(self) {
        let stopping = self.stopping.clone();
        stopping.run_until_cancelled(self.take_all()).await;
    }

    async fn take_all(self) {
        let mut failures = 0_u32;
        // Until then the table may not be there: the schema comes after the opening.
        self.asked.notified().await;
        loop {
            let wanted = self.held.room().min(TAKE_MAX);
            if wanted == 0 {
                self.held.woken().await;
                continue;
            }
            match self.take(wanted).await {
                Ok(take) => {
                    failures = 0;
                    let exhausted = take.found < wanted;
                    self.hand_over(take);
                    if exhausted {
                        self.held.woken().await;
                    }
                }
                Err(DatabaseError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "jobs cannot be taken from the queue");
                    failures = failures.saturating_add(1);
                    // There is no fleet to fall into step with: the whole pause.
                    sleep(BACKOFF.pause(failures, 1.0)).await;
                }
            }
        }
    }

    async fn take(&self, wanted: usize) -> Result<rows::Take, DatabaseError> {
        let (out, delivery_limit) = (self.held.ids(), self.delivery_limit);
        // If the answer is lost, nothing is: what is not in `held` is free.
        self.database
            .write_unhurried(move |connection| {
                Box::pin(rows::take(connection, out, wanted, delivery_limit))
            })
            .await
    }

    fn hand_over(&self, take: rows::Take) {
        for job in take.aside {
            tracing::error!(job, "a job came back too often and was set aside");
        }
        for row in take.rows {
            let receipt = Receipt::Sqlite(self.held.hold(row.id));
            let rows::Row { body, lane, redelivered, .. } = row;
            let delivery = Delivery { body, lane, redelivered, receipt };
            // Closed when taking was stopped: dropped, it is free again.
            let _ = self.deliver.try_send(delivery);
        }
    }
}
