//! Where the calls of one endpoint arrive: its script and its record.

use std::time::Duration;

use crate::{
    action::Action,
    call::Call,
    errcode,
    ledger::Ledger,
    script::{Script, ScriptFull},
};

/// The script and the record of one [`Endpoint`](crate::Endpoint), apart from those of the others.
pub struct Desk {
    pub(crate) script: Script,
    pub(crate) ledger: Ledger,
}

impl Desk {
    pub(crate) fn new(max_calls: usize) -> Self {
        Self { script: Script::default(), ledger: Ledger::new(max_calls) }
    }

    /// Queues actions for successive calls that name this login or phone code, or, at
    /// [`Endpoint::StableToken`](crate::Endpoint::StableToken), this appid; it need not exist. They come
    /// before those of [`Desk::script_next`]. Queues all of them or none.
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

    /// Delays every answer so much from now on (at most 60 s), in addition to a scripted latency.
    pub fn set_latency(&self, latency: Duration) {
        self.script.set_latency(latency);
    }

    /// Answers this share of the calls without a scripted action -1 from now on; 0 to 1.
    pub fn set_busy_rate(&self, rate: f64) {
        self.script.set_busy_rate(rate);
    }

    /// Forgets all queued actions, the latency and the busy rate.
    pub fn clear_script(&self) {
        self.script.clear();
    }

    /// The calls that ended, in that order, up to [`Options::max_calls`](crate::Options::max_calls) of them.
    pub fn calls(&self) -> Vec<Call> {
        self.ledger.records()
    }

    /// What happens to a call that names this.
    pub(crate) fn action(&self, name: &str) -> Action {
        self.script.take(name).unwrap_or_else(|| {
            if self.script.is_busy() {
                Action::Errcode(errcode::SYSTEM_ERROR)
            } else {
                Action::Normal
            }
        })
    }
}
