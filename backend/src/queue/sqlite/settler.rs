//! The task that writes settlements, many at a time.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    in_flight::{Held, Settlement},
    rows,
};
use crate::sqlite_file::Database;
use quhao_common::process::{backoff::Backoff, metrics};

/// Settlements in one command.
const SETTLE_MAX: usize = 512;
const SETTLE_LIMIT: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

pub(super) struct Settler {
    pub(super) database: Arc<Database>,
    pub(super) held: Arc<Held>,
    pub(super) inbox: mpsc::Receiver<Settlement>,
    pub(super) closing: CancellationToken,
}

impl Settler {
    /// Runs until the queue is closed, and then everything that was settled before.
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

    /// Writes `batch`, however often it takes; while closing, once. Writing it twice does
    /// no harm. Until it is written the envelopes stay out, so none comes again.
    async fn write(&self, batch: Vec<Settlement>) {
        let mut failures = 0_u32;
        while let Err(error) = self.try_write(batch.clone()).await {
            if self.closing.is_cancelled() {
                tracing::warn!(%error, jobs = batch.len(), "settlements are lost");
                metrics::acks_lost(batch.len() as u64);
                break;
            }
            tracing::warn!(%error, jobs = batch.len(), "settlements cannot be written yet");
            failures = failures.saturating_add(1);
            // There is no fleet to fall into step with: the whole pause.
            let pause = BACKOFF.pause(failures, 1.0);
            self.closing.run_until_cancelled(sleep(pause)).await;
        }
        self.held.release(batch.into_iter().map(Settlement::id));
    }

    async fn try_write(
        &self,
        batch: Vec<Settlement>,
    ) -> Result<(), crate::sqlite_file::DatabaseError> {
        let (mut gone, mut aside) = (Vec::new(), Vec::new());
        for settlement in batch {
            match settlement {
                Settlement::Remove(id) => gone.push(id),
                Settlement::SetAside(id) => aside.push(id),
            }
        }
        self.database
            .write(SETTLE_LIMIT, move |connection| {
                Box::pin(async move {
                    rows::remove(connection, &gone).await?;
                    rows::set_aside(connection, &aside).await
                })
            })
            .await
    }
}
