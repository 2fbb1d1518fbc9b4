//! Where a job is while this process holds it: in a working slot, or waiting outside of one.
//!
//! `worker.concurrency` bounds the working slots. A job whose outcome is known releases its
//! slot to the next one while the outcome is committed. The number of such outcomes is bounded
//! as well, so a worker whose store is away stops by itself.
//!
//! A job that has to wait before a call releases its slot and enters a waiting list: of one app
//! at most a quarter of the concurrency for each kind of call, and no more than there is room
//! left for others, so that one app's trouble does not fill a worker. Jobs that wait for a
//! credential have a list of their own, so that they take no room from those that need none.
//!
//! All of them are unsettled deliveries, so what the queue hands out at most is computed here,
//! too ([`unsettled_max`]).

use std::sync::Arc;

use quhao_common::{domain::app::AppId, process::metrics::SlotGauges};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::waiting_lists::{Entry, WaitingLists};

mod capacity;
mod waiting_lists;

pub(crate) use self::{
    capacity::{outcomes_max, unsettled_max},
    waiting_lists::WaitFor,
};

/// The slots of one worker.
#[derive(Debug)]
pub(crate) struct Slots {
    concurrency: usize,
    working: Arc<Semaphore>,
    outcomes: Arc<Semaphore>,
    waiting: Arc<WaitingLists>,
    gauges: SlotGauges,
    draining: CancellationToken,
}

/// The reason why a wait ended early: the worker is draining, and another should have the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draining;

impl Slots {
    /// Creates `concurrency` working slots. `draining` ends every wait.
    pub(crate) fn new(concurrency: usize, draining: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            concurrency,
            working: Arc::new(Semaphore::new(concurrency)),
            outcomes: Arc::new(Semaphore::new(outcomes_max(concurrency))),
            waiting: WaitingLists::new(concurrency),
            gauges: SlotGauges::new(),
            draining,
        })
    }

    /// Waits until a working slot is free, and returns how many are. Takes none.
    pub(crate) async fn wait_for_free(&self) -> usize {
        drop(self.working.acquire().await);
        self.working.available_permits().max(1)
    }

    /// Takes a working slot, and waits for one if none is free.
    pub(crate) async fn take(self: &Arc<Self>) -> Slot {
        let working = Arc::clone(&self.working).acquire_owned().await.ok();
        self.report();
        Slot { slots: Arc::clone(self), working, outcome: None, quarantine: None }
    }

    fn report(&self) {
        let waiting = self.waiting.len();
        let working = self.concurrency - self.working.available_permits();
        let outcomes = outcomes_max(self.concurrency) - self.outcomes.available_permits();
        self.gauges.set(working, waiting, outcomes);
    }
}

/// A job's slot. Dropping it makes room for another job.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    working: Option<OwnedSemaphorePermit>,
    /// The job's place among the outcomes, once its outcome is known.
    outcome: Option<OwnedSemaphorePermit>,
    /// The guard that lets the next quarantined job start when this one ends or waits.
    quarantine: Option<DropGuard>,
}

impl Slot {
    /// Drops `guard` as soon as the job ends or waits: a job that waits does no harm.
    #[must_use]
    pub(crate) fn in_quarantine(mut self, guard: DropGuard) -> Self {
        self.quarantine = Some(guard);
        self
    }

    /// Releases the working slot to the next job, since this one only waits for its commit.
    /// Waits as long as there are too many outcomes.
    pub(crate) async fn move_to_commit(&mut self) {
        self.outcome = Arc::clone(&self.slots.outcomes).acquire_owned().await.ok();
        self.working = None;
        self.slots.report();
    }

    /// Releases the slot, waits for `until`, and takes a slot again. Returns `None` at once if
    /// the waiting list has no room for another job of `app`.
    pub(crate) async fn wait_outside<T>(
        &mut self,
        wait_for: WaitFor,
        app: &AppId,
        until: impl Future<Output = T>,
    ) -> Result<Option<T>, Draining> {
        match self.slots.waiting.enter(wait_for, app) {
            Some(entry) => self.wait(entry, until).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits like [`Slot::wait_outside`], but keeps the slot if the waiting list has no room.
    /// `until` must end soon.
    pub(crate) async fn wait_outside_or_in_slot<T>(
        &mut self,
        wait_for: WaitFor,
        app: &AppId,
        until: impl Future<Output = T>,
    ) -> Result<T, Draining> {
        match self.slots.waiting.enter(wait_for, app) {
            Some(entry) => self.wait(entry, until).await,
            None => self.slots.draining.run_until_cancelled(until).await.ok_or(Draining),
        }
    }

    async fn wait<T>(
        &mut self,
        entry: Entry,
        until: impl Future<Output = T>,
    ) -> Result<T, Draining> {
        let slots = Arc::clone(&self.slots);
        self.working = None;
        self.quarantine = None;
        slots.report();
        let back_in_slot = async {
            let result = until.await;
            (result, Arc::clone(&slots.working).acquire_owned().await)
        };
        let waited = slots.draining.run_until_cancelled(back_in_slot).await;
        let (result, working) = waited.ok_or(Draining)?;
        self.working = working.ok();
        drop(entry);
        slots.report();
        Ok(result)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.working = None;
        self.outcome = None;
        self.slots.report();
    }
}

#[cfg(test)]
mod tests;
