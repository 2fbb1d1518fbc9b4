//! Whether this worker does its work, in words for an operator.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quhao_common::queue::{Link, Queue};
use serde::Serialize;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// How long a worker keeps what it has fetched while it cannot reach the store. Others may
/// be able to, and each return counts towards the delivery limit on RabbitMQ before 4.3.
pub const STORE_BLIP_MAX: Duration = Duration::from_secs(2);

/// What is known besides the queue's link.
#[derive(Debug, Default)]
pub struct Health {
    store_down: watch::Sender<bool>,
    stuck: Mutex<Option<String>>,
    stop: CancellationToken,
    draining: AtomicBool,
}

/// What `/readyz` tells.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether jobs are being taken.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

impl Health {
    /// The store was asked and answered, or did not. True if that is a change.
    pub fn store(&self, up: bool) -> bool {
        self.store_down.send_replace(!up) == up
    }

    /// The store was asked and answered.
    pub fn store_answers(&self) {
        if self.store(true) {
            info!("the store is back");
        }
    }

    /// Waits until the store has been out of reach for longer than a blip.
    pub async fn store_lost(&self) {
        let mut down = self.store_down.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = down.wait_for(|down| *down).await;
            if timeout(STORE_BLIP_MAX, down.wait_for(|down| !*down)).await.is_err() {
                return;
            }
        }
    }

    /// The worker met something that it must not touch: it takes no more until somebody
    /// has mended `reason` and started it again.
    pub fn stuck(&self, reason: String) {
        let mut stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.get_or_insert(reason);
        self.stop.cancel();
    }

    /// Cancelled when the worker got stuck.
    pub fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    /// The worker has begun to drain.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether jobs reach this worker and get done.
    pub fn readiness(&self, queue: &Queue) -> Readiness {
        let mut reasons = Vec::new();
        if let Link::Down(reason) = queue.taking() {
            reasons.push(reason.to_owned());
        }
        if let Some(reason) = &*self.stuck.lock().unwrap_or_else(PoisonError::into_inner) {
            reasons.push(reason.clone());
        }
        if *self.store_down.borrow() {
            reasons.push("the store is out of reach".to_owned());
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }
}
