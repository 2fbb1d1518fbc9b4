//! What goes wrong with the calls of one endpoint, and when.

pub(crate) mod action;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;

use self::action::Action;

/// How many actions may be queued at once at one endpoint.
const QUEUED_MAX: usize = 1_000_000;

/// The error of a script that would have more than 1,000,000 actions queued at one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than 1,000,000 actions are queued")]
pub struct ScriptFull;

/// Queued actions, and a latency and a busy rate that apply until they are changed.
#[derive(Default)]
pub(crate) struct Script {
    /// Length of all queues together. Lets unscripted calls pass without a lock.
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
    /// Queues actions for calls that name this code or app, or for the next calls whatever they
    /// name. Queues all of them or none.
    pub(crate) fn queue(&self, name: Option<&str>, actions: Vec<Action>) -> Result<(), ScriptFull> {
        if actions.is_empty() {
            return Ok(());
        }
        let mut queues = self.queues.lock();
        let total = self.queued.load(Ordering::Relaxed) + actions.len();
        if total > QUEUED_MAX {
            return Err(ScriptFull);
        }
        self.queued.store(total, Ordering::Release);
        match name {
            Some(name) => queues.by_name.entry(name.to_owned()).or_default().extend(actions),
            None => queues.next.extend(actions),
        }
        Ok(())
    }

    /// Removes and returns the action for a call: the first one for what it names, else the first
    /// one for the next calls.
    pub(crate) fn take(&self, name: &str) -> Option<Action> {
        if self.queued.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut queues = self.queues.lock();
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

    /// Returns whether a connection that was just accepted must be reset, and removes that action.
    pub(crate) fn take_reset_on_accept(&self) -> bool {
        if self.queued.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut queues = self.queues.lock();
        let reset = queues.next.front() == Some(&Action::ResetBeforeRead);
        if reset {
            queues.next.pop_front();
            self.queued.fetch_sub(1, Ordering::Release);
        }
        reset
    }

    /// Removes all queued actions, the latency and the busy rate.
    pub(crate) fn clear(&self) {
        let mut queues = self.queues.lock();
        *queues = Queues::default();
        self.queued.store(0, Ordering::Release);
        drop(queues);
        self.set_latency(Duration::ZERO);
        self.set_busy_rate(0.0);
    }

    /// Sets the latency of all calls from now on.
    pub(crate) fn set_latency(&self, latency: Duration) {
        self.latency_micros
            .store(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns the latency of all calls.
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_micros.load(Ordering::Relaxed))
    }

    /// Sets the share of calls that are answered "system busy" from now on, limited to 0 to 1.
    pub(crate) fn set_busy_rate(&self, rate: f64) {
        let rate = if rate.is_finite() { rate.clamp(0.0, 1.0) } else { 0.0 };
        self.busy_rate_bits.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Draws whether a call is answered "system busy".
    pub(crate) fn draw_busy(&self) -> bool {
        let rate = f64::from_bits(self.busy_rate_bits.load(Ordering::Relaxed));
        rate > 0.0 && rand::rng().random_bool(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_for_a_code_come_before_those_for_any_call() {
        let script = Script::default();
        script.queue(None, vec![Action::Html, Action::EmptyBody]).unwrap();
        script.queue(Some("code"), vec![Action::Errcode(-1), Action::Errcode(40029)]).unwrap();

        let names = ["code", "other", "code", "code", "code"];
        let taken = names.map(|name| script.take(name));

        let expected = [
            Some(Action::Errcode(-1)),
            Some(Action::Html),
            Some(Action::Errcode(40029)),
            Some(Action::EmptyBody),
            None,
        ];
        assert_eq!(taken, expected);
    }

    #[test]
    fn full_script_queues_none_of_the_actions() {
        let script = Script::default();
        script.queue(None, vec![Action::Normal; QUEUED_MAX - 1]).unwrap();

        assert_eq!(script.queue(Some("code"), vec![Action::Html; 2]), Err(ScriptFull));
        assert_eq!(script.take("code"), Some(Action::Normal));
    }

    #[test]
    fn only_a_reset_at_the_head_resets_on_accept() {
        let script = Script::default();
        script.queue(None, vec![Action::Normal, Action::ResetBeforeRead]).unwrap();

        assert!(!script.take_reset_on_accept());
        assert_eq!(script.take("code"), Some(Action::Normal));
        assert!(script.take_reset_on_accept());
        assert!(!script.take_reset_on_accept());
    }
}
