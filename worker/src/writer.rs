//! Commits outcomes in batches, then settles their deliveries.
//!
//! While one commit is under way the next batch collects, so batches grow with the load
//! and nothing waits when there is none. An outcome is kept until it is committed, however
//! long the store is away: its slot stays taken, so the worker stops taking by itself. A
//! worker that must end meanwhile hands its outcomes over.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_backend::{
    queue::{Delivery, Disposition, Queue},
    store::StoreError,
};
use quhao_common::{
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished},
        id::JobId,
    },
    process::{backoff::Backoff, metrics},
};
use tokio::sync::{Notify, mpsc};
use tracing::{error, warn};

use self::{batch_size::BatchSize, hand_over::HandedOver};
use crate::{
    context::Context,
    drain::Drain,
    health::{Health, StoreUse},
    settlement::in_flight::InFlight,
    slots::Slot,
};

pub mod batch_size;
mod hand_over;

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// One outcome with what hangs on it.
#[derive(Debug)]
pub struct Item {
    /// What to commit.
    pub finished: Finished,
    /// What to settle and free then.
    pub held: Held,
}

/// What hangs on an outcome.
#[derive(Debug)]
pub struct Held {
    /// Whose outcome it is.
    pub id: JobId,
    /// What to settle.
    pub delivery: Delivery,
    /// What to free.
    pub place: Place,
}

/// Where an outcome comes from.
#[derive(Debug)]
pub enum Place {
    /// From a job that was worked on in this slot.
    Worked(Slot),
    /// From the queue, with nothing to be worked on.
    Aside(Aside),
}

/// What came from the queue with nothing to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// An outcome that another worker had handed over.
    Resumed,
    /// The end of a job that was set aside.
    Buried,
}

/// The one writer of a worker.
#[derive(Debug)]
pub struct Writer {
    /// Where to commit.
    pub context: Arc<Context>,
    /// Where to put what cannot be committed.
    pub queue: Arc<Queue>,
    /// Whose copies to settle.
    pub in_flight: Arc<InFlight>,
    /// Whom to tell how the store is.
    pub health: Arc<Health>,
    /// Whom to tell that callbacks are due.
    pub callbacks_due: Arc<Notify>,
    /// When to stop trying.
    pub drain: Arc<Drain>,
    /// Outcomes in one commit at most.
    pub batch_max: usize,
    /// A commit that failed after this long may have been too large.
    pub slow: Duration,
}

/// Why a batch was not committed.
enum Failed {
    /// The store will never take it.
    Refused(StoreError),
    /// It may take it later.
    Unavailable {
        /// It had its time.
        slow: bool,
    },
}

impl Writer {
    /// Writes until every sender is gone and everything is committed or handed over.
    pub async fn run(self, mut items: mpsc::Receiver<Item>) {
        let mut size = BatchSize::new(self.batch_max);
        let mut batch = Vec::with_capacity(self.batch_max);
        let mut gave_up = false;
        let mut handed_over = HandedOver::default();
        while items.recv_many(&mut batch, self.batch_max).await > 0 {
            let batch = std::mem::take(&mut batch);
            let mut outcomes = batch.into_iter().map(|item| (item.finished, item.held)).collect();
            if !gave_up {
                outcomes = self.write(outcomes, &mut size).await;
                gave_up = !outcomes.is_empty();
            }
            if gave_up {
                handed_over += self.hand_over(outcomes).await;
            }
        }
        handed_over.tell();
    }

    /// Commits, however long the store is out of reach. Gives back what is not committed
    /// when a drain presses.
    async fn write(
        &self,
        outcomes: Vec<(Finished, Held)>,
        size: &mut BatchSize,
    ) -> Vec<(Finished, Held)> {
        let (mut rows, mut held): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        let mut pressed = pin!(self.drain.presses());
        let mut failures = 0;
        // Rows that go one by one, since together they were refused.
        let mut singly = 0_usize;
        while !rows.is_empty() {
            let part = if singly > 0 { 1 } else { rows.len().min(size.now()) };
            let committed = tokio::select! {
                biased;
                committed = self.commit(&rows[..part]) => committed,
                () = &mut pressed => break,
            };
            let disposition = match committed {
                Ok(()) => {
                    failures = 0;
                    size.went_through(part);
                    Disposition::Ack
                }
                Err(Failed::Unavailable { slow }) => {
                    if slow {
                        size.took_too_long(part);
                    }
                    failures += 1;
                    let pause = BACKOFF.pause(failures, rand::random());
                    tokio::select! {
                        () = tokio::time::sleep(pause) => continue,
                        () = &mut pressed => break,
                    }
                }
                // One bad row must not take its neighbours along.
                Err(Failed::Refused(error)) if part > 1 => {
                    warn!(%error, rows = part, "the store refused a batch; going row by row");
                    singly = part;
                    continue;
                }
                Err(Failed::Refused(error)) => {
                    let id = held[0].id;
                    error!(%id, %error, "the store refused an outcome; its delivery is set aside");
                    Disposition::DeadLetter
                }
            };
            singly = singly.saturating_sub(part);
            for (row, held) in rows.drain(..part).zip(held.drain(..part)) {
                self.settle(&row, held, disposition);
            }
        }
        rows.into_iter().zip(held).collect()
    }

    /// Commits `rows` once.
    async fn commit(&self, rows: &[Finished]) -> Result<(), Failed> {
        let started = Instant::now();
        match self.context.store.finish(rows).await {
            Ok(()) => {
                metrics::committed(rows.len(), started.elapsed());
                self.health.store_answers(StoreUse::Commit);
                if rows.iter().any(|row| row.callback.is_some()) {
                    self.callbacks_due.notify_one();
                }
                Ok(())
            }
            Err(error @ StoreError::Unavailable(_)) => {
                metrics::commit_failed("unavailable");
                if self.health.store_fails(StoreUse::Commit) {
                    warn!(%error, "outcomes are kept until the store is back");
                }
                Err(Failed::Unavailable { slow: started.elapsed() >= self.slow })
            }
            Err(error) => {
                metrics::commit_failed("rejected");
                Err(Failed::Refused(error))
            }
        }
    }

    /// Ends what hung on an outcome.
    fn settle(&self, row: &Finished, held: Held, disposition: Disposition) {
        let Held { delivery, place, .. } = held;
        match place {
            Place::Worked(slot) => {
                if row.final_state == FinalState::Failed(FailureCode::DeadlineExceeded) {
                    // Copies that followed it may have later deadlines.
                    self.in_flight.settle_alone(row.key, delivery, disposition);
                } else {
                    self.in_flight.settle(row.key, delivery, disposition);
                }
                drop(slot);
            }
            Place::Aside(aside) => {
                if aside == Aside::Resumed && disposition == Disposition::Ack {
                    metrics::outcome_resumed("committed");
                }
                delivery.settle(disposition);
            }
        }
    }
}
