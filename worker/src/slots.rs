//! Where a job may be while this process holds it: in a working slot, or waiting.
//!
//! Working slots are what `worker.concurrency` bounds. A job that has to wait between two
//! calls gives its slot away and sits in the side list: at most a quarter of the
//! concurrency for one app, so that one app's trouble does not fill a worker.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quhao_common::{app::AppId, metrics};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// The slots of one worker.
#[derive(Debug)]
pub struct Slots {
    working: Arc<Semaphore>,
    working_max: usize,
    waiting: Mutex<HashMap<AppId, usize>>,
    draining: CancellationToken,
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
}

/// Jobs of one app that may wait at once.
pub fn waiting_max_per_app(concurrency: usize) -> usize {
    (concurrency / 4).max(1)
}

/// Jobs of all apps together that may wait at once.
pub fn waiting_max(concurrency: usize) -> usize {
    concurrency
}

impl Slots {
    /// `concurrency` working slots. `draining` ends every wait.
    pub fn new(concurrency: usize, draining: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            working: Arc::new(Semaphore::new(concurrency)),
            working_max: concurrency,
            waiting: Mutex::new(HashMap::new()),
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
        Slot { slots: Arc::clone(self), working }
    }

    fn enter(&self, app: &AppId) -> Result<(), NoWait> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let here = waiting.get(app).copied().unwrap_or(0);
        if here >= waiting_max_per_app(self.working_max)
            || waiting.values().sum::<usize>() >= waiting_max(self.working_max)
        {
            return Err(NoWait::Crowded);
        }
        waiting.insert(app.clone(), here + 1);
        Ok(())
    }

    fn leave(&self, app: &AppId) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = waiting.get_mut(app) {
            *here -= 1;
            if *here == 0 {
                waiting.remove(app);
            }
        }
    }

    fn report(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        metrics::slots(self.working_max - self.working.available_permits(), waiting);
    }
}

/// Leaves the side list also when the waiting job is dropped.
struct Waiting<'a>(&'a Slots, &'a AppId);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.working = None;
        self.slots.report();
    }
}

impl Slot {
    /// Waits for `pause` in the side list, then for a working slot.
    pub async fn wait(&mut self, app: &AppId, pause: Duration) -> Result<(), NoWait> {
        let slots = Arc::clone(&self.slots);
        slots.enter(app)?;
        let _waiting = Waiting(&slots, app);
        self.working = None;
        slots.report();
        let back = async {
            tokio::time::sleep(pause).await;
            Arc::clone(&slots.working).acquire_owned().await
        };
        tokio::select! {
            permit = back => {
                self.working = permit.ok();
                Ok(())
            }
            () = slots.draining.cancelled() => Err(NoWait::Draining),
        }
    }
}
