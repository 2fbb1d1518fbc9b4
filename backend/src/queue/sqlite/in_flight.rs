//! Which messages are in flight. Nothing else records which jobs are being run.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc};

use crate::queue::disposition::Disposition;
use quhao_common::process::metrics;

/// What has to be written about a settled message, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    Remove(i64),
    DeadLetter(i64),
}

impl Settlement {
    /// Returns the id of the message.
    pub(super) fn id(self) -> i64 {
        match self {
            Self::Remove(id) | Self::DeadLetter(id) => id,
        }
    }
}

/// The ids of messages in flight: buffered, being run, or settled and not yet written.
#[derive(Debug)]
pub(super) struct InFlight {
    max: usize,
    ids: Mutex<HashSet<i64>>,
    changed: Notify,
    settlements: mpsc::Sender<Settlement>,
}

impl InFlight {
    /// Creates an empty set. `settlements` has room for `max`: each id in flight is settled
    /// once.
    pub(super) fn new(max: usize, settlements: mpsc::Sender<Settlement>) -> Self {
        Self { max, ids: Mutex::default(), changed: Notify::new(), settlements }
    }

    /// Returns how many messages are in flight.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Returns how many more may be in flight.
    pub(super) fn room(&self) -> usize {
        self.max.saturating_sub(self.count())
    }

    /// Returns the ids.
    pub(super) fn ids(&self) -> Vec<i64> {
        self.lock().iter().copied().collect()
    }

    /// Adds `id`, and returns what settles it.
    pub(super) fn add(self: &Arc<Self>, id: i64) -> Receipt {
        self.lock().insert(id);
        Receipt { id, in_flight: Arc::clone(self), is_settled: false }
    }

    /// Removes ids: they are gone from the table, or to be fetched again.
    pub(super) fn remove(&self, removed: impl IntoIterator<Item = i64>) {
        {
            let mut ids = self.lock();
            for id in removed {
                ids.remove(&id);
            }
        }
        self.wake();
    }

    /// Wakes the fetcher, which looks for messages.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits for a [`InFlight::wake`]; one since the last wait counts.
    pub(super) async fn woken(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The means to settle one delivery. Dropped unsettled, it requeues the message.
#[derive(Debug)]
pub(in crate::queue) struct Receipt {
    id: i64,
    in_flight: Arc<InFlight>,
    is_settled: bool,
}

impl Receipt {
    /// Settles the delivery.
    pub(in crate::queue) fn settle(mut self, disposition: Disposition) {
        let settlement = match disposition {
            Disposition::Ack => Settlement::Remove(self.id),
            Disposition::DeadLetter => Settlement::DeadLetter(self.id),
            Disposition::Requeue => return, // which drops it
        };
        self.is_settled = true;
        // Never full, only closed: then the next process runs the job again.
        if self.in_flight.settlements.try_send(settlement).is_err() {
            metrics::acks_lost(1);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.is_settled {
            self.in_flight.remove([self.id]);
        }
    }
}
