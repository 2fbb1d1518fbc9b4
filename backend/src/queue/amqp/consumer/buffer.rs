//! Deliveries between the task that owns the channel and the workers that run them. Bounded
//! by the prefetch.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::queue::delivery::{Delivery, Lane};

/// The deliveries that were fetched and not handed out, and whether more are wanted.
pub(super) struct Buffer {
    ready: Mutex<Ready>,
    arrived: Notify,
    /// Cancelled once nothing is to be fetched or handed out any more.
    pub(super) stopped: CancellationToken,
    /// Whether nothing is to be fetched for now.
    pub(super) paused: watch::Sender<bool>,
}

/// Deliveries in the order of their arrival. Outcomes go before all others: they only need to
/// be committed, and somebody has waited longer for them.
#[derive(Default)]
struct Ready {
    outcomes: VecDeque<Delivery>,
    others: VecDeque<Delivery>,
}

impl Ready {
    fn is_empty(&self) -> bool {
        self.outcomes.is_empty() && self.others.is_empty()
    }

    fn push(&mut self, delivery: Delivery) {
        match delivery.lane {
            Lane::Outcomes => self.outcomes.push_back(delivery),
            Lane::Jobs { .. } | Lane::DeadLetters(_) => self.others.push_back(delivery),
        }
    }

    fn take(&mut self, max: usize) -> Vec<Delivery> {
        let outcomes = self.outcomes.len().min(max);
        let others = self.others.len().min(max - outcomes);
        self.outcomes.drain(..outcomes).chain(self.others.drain(..others)).collect()
    }
}

impl Buffer {
    /// Creates an empty buffer that is neither stopped nor paused.
    pub(super) fn new() -> Self {
        Self {
            ready: Mutex::default(),
            arrived: Notify::new(),
            stopped: CancellationToken::new(),
            paused: watch::Sender::new(false),
        }
    }

    /// Returns whether deliveries are to be fetched now.
    pub(super) fn wants_deliveries(&self) -> bool {
        !self.stopped.is_cancelled() && !*self.paused.borrow()
    }

    /// Waits for the first delivery and returns up to `max`; `None` once stopped. Safe to drop
    /// while waiting: nothing is removed before everything is returned.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        loop {
            // Created before the look, so that an arrival after the look wakes this call.
            let arrived = self.arrived.notified();
            if self.stopped.is_cancelled() {
                return None;
            }
            let taken = self.take(max.max(1));
            if !taken.is_empty() {
                return Some(taken);
            }
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => return None,
                () = arrived => {}
            }
        }
    }

    fn take(&self, max: usize) -> Vec<Delivery> {
        let mut ready = self.lock();
        let taken = ready.take(max);
        if !ready.is_empty() {
            // One arrival may have brought work for several callers.
            self.arrived.notify_one();
        }
        taken
    }

    /// Adds deliveries that arrived.
    pub(super) fn push(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        {
            let mut ready = self.lock();
            for delivery in deliveries {
                ready.push(delivery);
            }
        }
        self.arrived.notify_one();
    }

    /// Removes and returns everything that was not handed out.
    pub(super) fn drain(&self) -> Vec<Delivery> {
        self.lock().take(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
