//! Deliveries between the task that owns the channel and the workers that take them.
//! Bounded by the prefetch.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::queue::Delivery;

pub(super) struct Buffer {
    ready: Mutex<VecDeque<Delivery>>,
    arrived: Notify,
    /// Set once nothing is to be handed out any more.
    pub(super) stopped: CancellationToken,
    /// Whether nothing is to be fetched for now.
    pub(super) paused: watch::Sender<bool>,
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
        let count = ready.len().min(max);
        let taken = ready.drain(..count).collect();
        if !ready.is_empty() {
            // One arrival may have brought work for several callers.
            self.arrived.notify_one();
        }
        taken
    }

    pub(super) fn put(&self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.lock().extend(deliveries);
        self.arrived.notify_one();
    }

    /// Everything that was not handed out.
    pub(super) fn drain(&self) -> Vec<Delivery> {
        self.lock().drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
