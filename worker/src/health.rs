//! Whether this worker does its work, in words for an operator.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use quhao_backend::queue::{LinkStatus, Queue};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tracing::info;

/// How long a worker keeps what it has fetched while it cannot reach the store. Others may
/// be able to, and each requeue counts towards the delivery limit on RabbitMQ before 4.3.
pub(crate) const STORE_BLIP_MAX: Duration = Duration::from_secs(2);
/// Different blockers that are reported; further ones do not block less.
const BLOCKERS_MAX: usize = 8;

/// What is known of a worker besides its link to the queue.
#[derive(Debug, Default)]
pub struct Health {
    store_down: watch::Sender<StoreDown>,
    blocked: watch::Sender<Blocked>,
    draining: AtomicBool,
}

/// What the store is used for. One use may work and the other not: a read-only or a full
/// database answers every question and takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreUse {
    /// To look up which jobs have an answer.
    Lookup,
    /// To commit outcomes.
    Commit,
}

/// The times since which the store has been out of reach, for each use.
#[derive(Debug, Default)]
struct StoreDown {
    lookup: Option<Instant>,
    commit: Option<Instant>,
}

impl StoreDown {
    fn since_mut(&mut self, store_use: StoreUse) -> &mut Option<Instant> {
        match store_use {
            StoreUse::Lookup => &mut self.lookup,
            StoreUse::Commit => &mut self.commit,
        }
    }

    /// Returns since when any use has failed.
    fn since(&self) -> Option<Instant> {
        match (self.lookup, self.commit) {
            (Some(lookup), Some(commit)) => Some(lookup.min(commit)),
            (lookup, commit) => lookup.or(commit),
        }
    }
}

/// What keeps the worker from taking jobs although the store answers.
#[derive(Debug, Default)]
struct Blocked {
    clock: ClockState,
    /// The reasons why jobs that it received cannot run here.
    blockers: BTreeSet<String>,
}

impl Blocked {
    fn is_blocked(&self) -> bool {
        self.clock != ClockState::Right || !self.blockers.is_empty()
    }
}

/// How this machine's clock compares with the store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockState {
    /// They have not been compared yet.
    #[default]
    Unknown,
    /// They are near enough.
    Right,
    /// They are this far apart.
    Off(Duration),
}

/// What `/readyz` returns.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    /// Whether jobs are being taken.
    pub(crate) ready: bool,
    /// The reasons why not.
    pub(crate) reasons: Vec<String>,
}

impl Health {
    /// Records that the store failed. Returns whether it worked until now, and so whether to
    /// log it.
    pub(crate) fn store_failed(&self, store_use: StoreUse) -> bool {
        self.store_down.send_if_modified(|down| {
            let was_up = down.since().is_none();
            down.since_mut(store_use).get_or_insert_with(Instant::now);
            was_up
        })
    }

    /// Records that the store did what was asked of it.
    pub(crate) fn store_answered(&self, store_use: StoreUse) {
        let is_back = self.store_down.send_if_modified(|down| {
            let was_down = down.since().is_some();
            *down.since_mut(store_use) = None;
            was_down && down.since().is_none()
        });
        if is_back {
            info!("store available again");
        }
    }

    /// Returns whether the store has been out of reach for longer than a blip.
    pub(crate) fn is_store_lost(&self) -> bool {
        self.store_down.borrow().since().is_some_and(|since| since.elapsed() > STORE_BLIP_MAX)
    }

    /// Returns whether outcomes cannot be committed now.
    pub(crate) fn commits_fail(&self) -> bool {
        self.store_down.borrow().commit.is_some()
    }

    /// Waits until the store has been out of reach for longer than a blip.
    pub(crate) async fn store_lost(&self) {
        let mut down = self.store_down.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = down.wait_for(|down| down.since().is_some()).await;
            let is_back = down.wait_for(|down| down.since().is_none());
            if timeout(STORE_BLIP_MAX, is_back).await.is_err() {
                return;
            }
        }
    }

    /// Blocks the worker for `reason`: it received a job that it must not touch. Returns whether
    /// the reason is a new one, and so whether to log it.
    pub(crate) fn block(&self, reason: &str) -> bool {
        self.blocked.send_if_modified(|blocked| {
            blocked.blockers.len() < BLOCKERS_MAX && blocked.blockers.insert(reason.to_owned())
        })
    }

    /// Clears what [`Health::block`] recorded, so that such jobs are tried again. The clock is
    /// another matter.
    pub(crate) fn clear_blockers(&self) {
        self.blocked.send_modify(|blocked| blocked.blockers.clear());
    }

    /// Returns whether the worker received a job that it must not touch.
    pub(crate) fn has_blockers(&self) -> bool {
        !self.blocked.borrow().blockers.is_empty()
    }

    /// Records how the clock compares now. Returns how it compared before.
    pub fn set_clock(&self, now: ClockState) -> ClockState {
        let mut before = now;
        self.blocked.send_modify(|blocked| before = std::mem::replace(&mut blocked.clock, now));
        before
    }

    /// Returns whether the clock is known to be near enough to the store's.
    pub(crate) fn is_clock_right(&self) -> bool {
        self.blocked.borrow().clock == ClockState::Right
    }

    /// Returns whether the worker must take no jobs now.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.borrow().is_blocked()
    }

    /// Waits until the worker must take no jobs.
    pub(crate) async fn blocked(&self) {
        // The sender lives as long as this.
        let _ = self.blocked.subscribe().wait_for(Blocked::is_blocked).await;
    }

    /// Waits until the worker may take jobs.
    pub(crate) async fn unblocked(&self) {
        // The sender lives as long as this.
        let _ = self.blocked.subscribe().wait_for(|blocked| !blocked.is_blocked()).await;
    }

    /// Records that the worker has begun to drain.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether jobs reach this worker and get done.
    pub(crate) fn readiness(&self, queue: &Queue) -> Readiness {
        let mut reasons = Vec::new();
        if let LinkStatus::Down(reason) = queue.consuming() {
            reasons.push(reason.to_owned());
        }
        reasons.extend(self.reasons());
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Returns the reasons why jobs are not done, but for the queue's.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        {
            let blocked = self.blocked.borrow();
            match blocked.clock {
                ClockState::Right => {}
                ClockState::Unknown => reasons.push(
                    "this machine's clock has not been compared with the store's yet".to_owned(),
                ),
                ClockState::Off(off) => {
                    reasons.push(format!("this machine's clock is {off:.1?} off the store's"));
                }
            }
            reasons.extend(blocked.blockers.iter().cloned());
        }
        if self.store_down.borrow().since().is_some() {
            reasons.push("the store is out of reach".to_owned());
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        }
        reasons
    }
}

#[cfg(test)]
mod tests;
