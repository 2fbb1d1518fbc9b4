//! The side of an endpoint that tests see: its script and its call log.

use std::time::Duration;

use super::call_log::{Call, CallLog};
use crate::script::action::Action;
use crate::script::{Script, ScriptFull};
use crate::wechat::errcode;

/// The script and the call log of one [`Endpoint`](crate::Endpoint), separate from those of the
/// others.
pub struct Frontend {
    pub(crate) script: Script,
    pub(crate) call_log: CallLog,
}

impl Frontend {
    /// Creates one without a script that records at most `calls_max` calls.
    pub(crate) fn new(calls_max: usize) -> Self {
        Self { script: Script::default(), call_log: CallLog::new(calls_max) }
    }

    /// Queues actions for successive calls that name this login or phone code, or, at
    /// [`Endpoint::StableToken`](crate::Endpoint::StableToken), this appid. It need not exist.
    /// These actions come before those of [`Frontend::script_next`]. Queues all of them or none.
    pub fn script_for(
        &self,
        name: &str,
        actions: impl IntoIterator<Item = Action>,
    ) -> Result<(), ScriptFull> {
        self.script.queue(Some(name), actions.into_iter().collect())
    }

    /// Queues actions for the next calls, whatever they name. Queues all of them or none.
    pub fn script_next(&self, actions: impl IntoIterator<Item = Action>) -> Result<(), ScriptFull> {
        self.script.queue(None, actions.into_iter().collect())
    }

    /// Delays every answer by this much from now on (at most 60 s), in addition to a scripted
    /// latency.
    pub fn set_latency(&self, latency: Duration) {
        self.script.set_latency(latency);
    }

    /// Answers this share of the calls without a scripted action -1 from now on: 0 to 1.
    pub fn set_busy_rate(&self, rate: f64) {
        self.script.set_busy_rate(rate);
    }

    /// Removes all queued actions, the latency and the busy rate.
    pub fn clear_script(&self) {
        self.script.clear();
    }

    /// Returns the last calls, in the order in which they ended, at most
    /// [`Options::calls_max`](crate::Options::calls_max).
    pub fn calls(&self) -> Vec<Call> {
        self.call_log.records()
    }

    /// Takes the action for a call that names this: a scripted one, else the usual.
    pub(crate) fn take_action(&self, name: &str) -> Action {
        self.script.take(name).unwrap_or_else(|| {
            if self.script.draw_busy() {
                Action::Errcode(errcode::SYSTEM_ERROR)
            } else {
                Action::Normal
            }
        })
    }
}
