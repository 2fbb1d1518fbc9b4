//! The pause before another attempt. Pure: the caller provides the randomness.

use std::time::Duration;

/// Pauses that double from the first to the longest.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Creates pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// Returns the pause after so many failures in a row. `chance` (0 to 1) takes it between half
    /// and the whole, so that many processes do not return at the same time.
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(0.5 + 0.5 * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(BACKOFF.pause(1, 1.0), Duration::from_millis(100));
        assert_eq!(BACKOFF.pause(2, 1.0), Duration::from_millis(200));
        assert_eq!(BACKOFF.pause(6, 1.0), Duration::from_millis(3200));
        assert_eq!(BACKOFF.pause(7, 1.0), Duration::from_secs(5));
        assert_eq!(BACKOFF.pause(u32::MAX, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn chance_shortens_a_pause_by_half_at_most() {
        assert_eq!(BACKOFF.pause(1, 0.0), Duration::from_millis(50));
        assert_eq!(BACKOFF.pause(u32::MAX, 0.0), Duration::from_millis(2500));
    }
}
