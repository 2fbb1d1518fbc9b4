//! Deliveries between the task that owns the channel and the workers that take them.
//! Bounded by the prefetch. Outcomes go before jobs: they only need to be committed, and
//! somebody has waited for them for longer.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::queue::delivery::{Delivery, Lane};

pub(super) struct Buffer {
    ready: Mutex<Ready>,
    arrived: Notify,
    /// Set once nothing is to be handed out any more.
    pub(super) stopped: CancellationToken,
    /// Whether nothing is to be fetched for now.
    pub(super) paused: watch::Sender<bool>,
}

#[derive(Default)]
struct Ready {
    outcomes: VecDeque<Delivery>,
    others: VecDeque<Delivery>,
}

impl Ready {
    fn len(&self) -> usize {
        self.outcomes.len() + self.others.len()
    }

    fn take(&mut self, max: usize) -> Vec<Delivery> {
        let first = self.outcomes.len().min(max);
        let then = self.others.len().min(max - first);
        self.outcomes.drain(..first).chain(self.others.drain(..then)).collect()
    }
}

impl Buffer {
    pub(super) fn new() -> Self {
        let stopped = CancellationToken::new();
        let paused = watch::Sender::new(false);
        Self { ready: Mutex::default(), arrived: Notify::new(), stopped, paused }
    }

    /// Waits for the first, takes up to `max`. Safe to drop while waiting: nothing is
    /// taken before everything is returned.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        loop {
            // Before looking, so that what arrives after the look wakes this call.
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
        if ready.len() > 0 {
            // One arrival may have brought work for several callers.
            self.arrived.notify_one();
        }
        taken
    }

    pub(super) fn put(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        {
            let mut ready = self.lock();
            for delivery in deliveries {
                match delivery.lane {
                    Lane::Outcomes => ready.outcomes.push_back(delivery),
                    Lane::Jobs { .. } | Lane::DeadLetters(_) => ready.others.push_back(delivery),
                }
            }
        }
        self.arrived.notify_one();
    }

    /// Everything that was not handed out.
    pub(super) fn drain(&self) -> Vec<Delivery> {
        self.lock().take(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
