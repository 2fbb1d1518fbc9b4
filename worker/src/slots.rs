//! Where a job may be while this process holds it: in a working slot, or waiting.
//!
//! Working slots are what `worker.concurrency` bounds. A job whose outcome is known gives its
//! slot to the next one while the outcome is committed; of these, too, there is a bounded
//! number, so that a worker whose store is away stops by itself. A job that has to wait before
//! a call gives its slot away and sits in a side list: of one app at most a quarter of the
//! concurrency for each kind of call, and no more than there is room left for others, so
//! that one app's trouble does not fill a worker. Jobs that wait for a credential have a
//! list of their own, so that they take no room from those that need none.
//!
//! All of them are unsettled deliveries, so what the queue hands out at most is counted
//! here, too ([`held_max`]).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quhao_common::{domain::app::AppId, process::metrics::SlotGauges};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::platform::Call;

/// Most deliveries that a quorum queue lets one consumer hold.
const HELD_MAX: usize = 2000;
/// Jobs that a list has room for at most: what waits in both leaves half of what may be held.
const WAITING_MAX: usize = HELD_MAX / 4;

/// The slots of one worker.
#[derive(Debug)]
pub struct Slots {
    working: Arc<Semaphore>,
    working_max: usize,
    /// Places for outcomes.
    known: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    gauges: SlotGauges,
    draining: CancellationToken,
}

/// How many jobs of each app are in each list.
type Waiting = HashMap<(List, AppId), usize>;

/// The side lists. Each has room for [`waiting_max`] jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// Of jobs that will call, or look for a sibling's result: later, or when their app is no
    /// longer left alone. An app may have as many for the one call as for the other.
    Later(Call),
    /// Of jobs that have no credential to call with.
    Credential,
}

impl List {
    /// Whether jobs in this list and in `other` share their room.
    fn shares_with(self, other: Self) -> bool {
        matches!(self, Self::Credential) == matches!(other, Self::Credential)
    }
}

/// Why a job could not wait here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWait {
    /// Its app has too many waiting already.
    Crowded,
    /// The worker is draining: another should have the job.
    Draining,
}

/// A job's place.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    working: Option<OwnedSemaphorePermit>,
    /// Once the job's outcome is known.
    known: Option<OwnedSemaphorePermit>,
    /// Dropped when the job is worked on no more, or waits.
    alone: Option<DropGuard>,
}

/// Jobs of one app that may wait at once in a list.
pub fn waiting_max_per_app(concurrency: usize) -> usize {
    (concurrency / 4).max(1)
}

/// Jobs of all apps together that may wait at once in a list.
pub fn waiting_max(concurrency: usize) -> usize {
    concurrency.min(WAITING_MAX)
}

/// Jobs that a worker may hold at once: with full lists there are still as many to work on
/// as there are slots, or as the queue hands out.
pub fn held_max(concurrency: usize) -> usize {
    (concurrency + 2 * waiting_max(concurrency)).min(HELD_MAX)
}

/// Outcomes that may wait for their commit, beside those that keep their slots. They share
/// with the lists what is held beyond the slots.
pub fn outcomes_max(concurrency: usize) -> usize {
    2 * waiting_max(concurrency)
}

impl Slots {
    /// `concurrency` working slots. `draining` ends every wait.
    pub fn new(concurrency: usize, draining: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            working: Arc::new(Semaphore::new(concurrency)),
            working_max: concurrency,
            known: Arc::new(Semaphore::new(outcomes_max(concurrency))),
            waiting: Mutex::new(HashMap::new()),
            gauges: SlotGauges::new(),
            draining,
        })
    }

    /// Waits until a working slot is free, and says how many are. Takes none.
    pub async fn free(&self) -> usize {
        drop(self.working.acquire().await);
        self.working.available_permits().max(1)
    }

    /// Takes a working slot.
    pub async fn take(self: &Arc<Self>) -> Slot {
        let working = Arc::clone(&self.working).acquire_owned().await.ok();
        self.report();
        Slot { slots: Arc::clone(self), working, known: None, alone: None }
    }

    /// Enters `list` as long as it has room and fewer than `max` jobs of `app`.
    fn enter(self: &Arc<Self>, list: List, app: &AppId, max: usize) -> Result<Entered, NoWait> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = waiting
            .iter()
            .filter(|((other, _), _)| list.shares_with(*other))
            .map(|(_, count)| count)
            .sum();
        let room = waiting_max(self.working_max).saturating_sub(all);
        let max = match list {
            // The more apps crowd it, the fewer of each: another finds room.
            List::Later(_) => max.min(room),
            List::Credential => max,
        };
        let place = (list, app.clone());
        let here = waiting.get(&place).copied().unwrap_or(0);
        if room == 0 || here >= max {
            return Err(NoWait::Crowded);
        }
        waiting.insert(place.clone(), here + 1);
        Ok(Entered { slots: Arc::clone(self), place })
    }

    fn report(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        let working = self.working_max - self.working.available_permits();
        let known = outcomes_max(self.working_max) - self.known.available_permits();
        self.gauges.set(working, waiting, known);
    }
}

/// A place in a side list; left also when the waiting job is dropped.
#[derive(Debug)]
struct Entered {
    slots: Arc<Slots>,
    place: (List, AppId),
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut waiting = self.slots.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = waiting.get_mut(&self.place) {
            *here -= 1;
            if *here == 0 {
                waiting.remove(&self.place);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        (self.working, self.known) = (None, None);
        self.slots.report();
    }
}

impl Slot {
    /// Drops `alone` as soon as the job is done with, or waits: a job that waits does no harm.
    #[must_use]
    pub fn alone(mut self, alone: DropGuard) -> Self {
        self.alone = Some(alone);
        self
    }

    /// Gives the slot to the next job, since the outcome of this one is known. Waits as long
    /// as there are too many outcomes.
    pub async fn outcome_is_known(&mut self) {
        self.known = Arc::clone(&self.slots.known).acquire_owned().await.ok();
        self.working = None;
        self.slots.report();
    }

    /// Waits for `pause` in `list`, then for a working slot.
    pub async fn wait(&mut self, list: List, app: &AppId, pause: Duration) -> Result<(), NoWait> {
        self.wait_until(list, app, tokio::time::sleep(pause)).await
    }

    /// Waits for `until` in `list`, then for a working slot.
    pub async fn wait_until<T>(
        &mut self,
        list: List,
        app: &AppId,
        until: impl Future<Output = T>,
    ) -> Result<T, NoWait> {
        let max = waiting_max_per_app(self.slots.working_max);
        let entered = self.slots.enter(list, app, max)?;
        self.away(entered, until).await.ok_or(NoWait::Draining)
    }

    /// Waits for `pause` in `list`, then for a working slot; in its slot if there is no room.
    /// `None` if the worker is draining. The pause must be short.
    pub async fn wait_anyhow(&mut self, list: List, app: &AppId, pause: Duration) -> Option<()> {
        let max = waiting_max_per_app(self.slots.working_max);
        self.here_or_away(self.slots.enter(list, app, max), tokio::time::sleep(pause)).await
    }

    /// Waits for `until`, which gives `app` its credential, then for a working slot. All
    /// that wait go on together, so they may be half of the list; a job that finds no room
    /// there keeps its slot. `None` if the worker is draining. `until` must end soon.
    pub async fn wait_for_credential<T>(
        &mut self,
        app: &AppId,
        until: impl Future<Output = T>,
    ) -> Option<T> {
        let max = waiting_max(self.slots.working_max).div_ceil(2);
        self.here_or_away(self.slots.enter(List::Credential, app, max), until).await
    }

    async fn here_or_away<T>(
        &mut self,
        entered: Result<Entered, NoWait>,
        until: impl Future<Output = T>,
    ) -> Option<T> {
        match entered {
            Ok(entered) => self.away(entered, until).await,
            Err(_) => self.slots.draining.run_until_cancelled(until).await,
        }
    }

    /// Gives the slot away until `until` is over and one is free. `None` if the worker is
    /// draining.
    async fn away<T>(&mut self, entered: Entered, until: impl Future<Output = T>) -> Option<T> {
        let slots = Arc::clone(&self.slots);
        (self.working, self.alone) = (None, None);
        slots.report();
        let back = async {
            let got = until.await;
            (got, Arc::clone(&slots.working).acquire_owned().await)
        };
        let (got, working) = slots.draining.run_until_cancelled(back).await?;
        self.working = working.ok();
        drop(entered);
        slots.report();
        Some(got)
    }
}
