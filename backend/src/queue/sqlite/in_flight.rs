//! Which envelopes are out: the one truth about who works on what.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc};

use crate::queue::delivery::Disposition;
use quhao_common::process::metrics;

/// What is left to write about an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    Remove(i64),
    SetAside(i64),
}

impl Settlement {
    pub(super) fn id(self) -> i64 {
        match self {
            Self::Remove(id) | Self::SetAside(id) => id,
        }
    }
}

/// The ids that are out: buffered, being worked on, or settled and not yet written.
#[derive(Debug)]
pub(super) struct Held {
    max: usize,
    ids: Mutex<HashSet<i64>>,
    changed: Notify,
    settlements: mpsc::Sender<Settlement>,
}

impl Held {
    /// `settlements` has room for `max`: each id that is out is settled once.
    pub(super) fn new(max: usize, settlements: mpsc::Sender<Settlement>) -> Self {
        Self { max, ids: Mutex::default(), changed: Notify::new(), settlements }
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// How many more may be out.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.count())
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.lock().iter().copied().collect()
    }

    /// Puts `id` out.
    pub(super) fn hold(self: &Arc<Self>, id: i64) -> Receipt {
        self.lock().insert(id);
        Receipt { id, held: Arc::clone(self), settled: false }
    }

    /// Makes ids free: they are gone from the table, or to be taken again.
    pub(super) fn release(&self, ids: impl IntoIterator<Item = i64>) {
        {
            let mut held = self.lock();
            for id in ids {
                held.remove(&id);
            }
        }
        self.wake();
    }

    /// Says that there may be something to take.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for a [`Held::wake`], also one since the last wait.
    pub(super) async fn woken(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That one envelope is out. Dropped without a disposition, it is handed back.
#[derive(Debug)]
pub struct Receipt {
    id: i64,
    held: Arc<Held>,
    settled: bool,
}

impl Receipt {
    pub(in crate::queue) fn settle(mut self, disposition: Disposition) {
        let settlement = match disposition {
            Disposition::Ack => Settlement::Remove(self.id),
            Disposition::DeadLetter => Settlement::SetAside(self.id),
            Disposition::Requeue => return, // and be dropped
        };
        self.settled = true;
        // Never full, only closed: then the next process works on it again.
        if self.held.settlements.try_send(settlement).is_err() {
            metrics::acks_lost(1);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.settled {
            self.held.release([self.id]);
        }
    }
}
