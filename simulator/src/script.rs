//! Which action the next call gets.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use rand::Rng;

use crate::{action::Action, lock::locked};

/// How many actions may be queued at once at one endpoint.
const MAX_QUEUED: usize = 1_000_000;

/// Too many actions are queued: more than 1,000,000 at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than 1,000,000 actions are queued")]
pub struct ScriptFull;

/// Queued actions and standing rates.
#[derive(Default)]
pub(crate) struct Script {
    /// Length of all queues together: lets unscripted calls pass without a lock.
    queued: AtomicUsize,
    queues: Mutex<Queues>,
    latency_micros: AtomicU64,
    busy_rate_bits: AtomicU64,
}

#[derive(Default)]
struct Queues {
    next: VecDeque<Action>,
    by_name: HashMap<String, VecDeque<Action>>,
}

impl Script {
    /// Queues actions for calls that name this code or app, or for the next calls whatever they name. All or
    /// none.
    pub(crate) fn queue(&self, name: Option<&str>, actions: Vec<Action>) -> Result<(), ScriptFull> {
        if actions.is_empty() {
            return Ok(());
        }
        let mut queues = locked(&self.queues);
        let total = self.queued.load(Ordering::Relaxed) + actions.len();
        if total > MAX_QUEUED {
            return Err(ScriptFull);
        }
        self.queued.store(total, Ordering::Release);
        match name {
            Some(name) => queues.by_name.entry(name.to_owned()).or_default().extend(actions),
            None => queues.next.extend(actions),
        }
        Ok(())
    }

    /// Takes the action for a call: those for what it names come first, then the queue for the next calls.
    pub(crate) fn take(&self, name: &str) -> Option<Action> {
        if self.queued.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queues = locked(&self.queues);
        let mut taken = None;
        if let Some(own) = queues.by_name.get_mut(name) {
            taken = own.pop_front();
            if own.is_empty() {
                queues.by_name.remove(name);
            }
        }
        let taken = taken.or_else(|| queues.next.pop_front())?;
        self.queued.fetch_sub(1, Ordering::Release);
        Some(taken)
    }

    /// Whether a connection that was just accepted must be reset; takes that action.
    pub(crate) fn take_reset_on_accept(&self) -> bool {
        if self.queued.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut queues = locked(&self.queues);
        let reset = queues.next.front() == Some(&Action::ResetBeforeRead);
        if reset {
            queues.next.pop_front();
            self.queued.fetch_sub(1, Ordering::Release);
        }
        reset
    }

    pub(crate) fn clear(&self) {
        let mut queues = locked(&self.queues);
        *queues = Queues::default();
        self.queued.store(0, Ordering::Release);
        drop(queues);
        self.set_latency(Duration::ZERO);
        self.set_busy_rate(0.0);
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_micros
            .store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn set_busy_rate(&self, rate: f64) {
        let rate = if rate.is_finite() { rate.clamp(0.0, 1.0) } else { 0.0 };
        self.busy_rate_bits.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Draws whether this call meets a busy system.
    pub(crate) fn is_busy(&self) -> bool {
        let rate = f64::from_bits(self.busy_rate_bits.load(Ordering::Relaxed));
        rate > 0.0 && rand::rng().random_bool(rate)
    }
}
