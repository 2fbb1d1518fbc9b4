//! How many clients come, and how long.

use std::time::Duration;

use quhao_simulator::User;

use crate::world::World;

/// Returns whether tests run in their long form: `tests/run faults`.
pub fn is_long() -> bool {
    std::env::var_os("QUHAO_TEST_LONG").is_some_and(|value| !value.is_empty())
}

/// The rate and the length of a load.
#[derive(Debug, Clone, Copy)]
pub struct LoadProfile {
    /// Clients a second.
    pub rate: u32,
    /// How long clients come.
    pub time: Duration,
    /// The `deadline_seconds` of their jobs. Clients stop submitting after it.
    pub deadline_seconds: u64,
}

impl Default for LoadProfile {
    /// Returns 30 a second for eight seconds; in the long form 40 for a minute.
    fn default() -> Self {
        let (rate, seconds) = if is_long() { (40, 60) } else { (30, 8) };
        Self { rate, time: Duration::from_secs(seconds), deadline_seconds: 60 }
    }
}

impl LoadProfile {
    /// Returns the usual rate until [`Load::stop`](super::Load::stop), two minutes at most:
    /// for faults that take a time which is not known before.
    pub fn until_stopped() -> Self {
        Self { time: Duration::from_mins(2), ..Self::default() }
    }

    /// Creates the guests whose jobs will be submitted, one for each client.
    pub fn users(self, world: &World) -> Vec<User> {
        let count = u128::from(self.rate) * self.time.as_millis() / 1000;
        (0..count).map(|_| world.guest()).collect()
    }
}
