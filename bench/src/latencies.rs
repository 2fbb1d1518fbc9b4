//! The distribution of the times of many events.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is recorded, in microseconds: longer than any wait of the API.
const LONGEST_MICROS: u64 = 120_000_000;

/// Significant digits: a time is off by a thousandth at most.
const DIGITS: u8 = 3;

/// Counts of times between a microsecond and two minutes; what is longer counts as that.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    /// Creates an empty distribution.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS);
        Self(histogram.expect("bounds and digits that the crate allows"))
    }

    /// Counts one event.
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds the events of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the same bounds");
    }

    /// Returns how many events there were.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Returns the time in milliseconds that this share of events (0 to 1) took at most; `None` if
    /// there were none.
    pub(crate) fn milliseconds_at(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| {
            let micros = self.0.value_at_quantile(share);
            Duration::from_micros(micros).as_secs_f64() * 1e3
        })
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_found_to_a_thousandth() {
        let mut times = Latencies::new();
        for millisecond in 1..=1000 {
            times.record(Duration::from_millis(millisecond));
        }
        assert_eq!(times.count(), 1000);
        for (share, expected) in [(0.5, 500.0), (0.9, 900.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = times.milliseconds_at(share).unwrap();
            assert!((found / expected - 1.0).abs() < 2e-3, "{share}: {found}");
        }
    }

    #[test]
    fn rounds_are_counted_together() {
        let (mut first, mut second) = (Latencies::new(), Latencies::new());
        first.record(Duration::from_millis(1));
        second.record(Duration::from_millis(3));
        first.add(&second);
        assert_eq!(first.count(), 2);
        assert!(first.milliseconds_at(1.0).unwrap() > 2.9);
    }

    #[test]
    fn nothing_has_no_time() {
        assert_eq!(Latencies::new().milliseconds_at(0.5), None);
    }
}
