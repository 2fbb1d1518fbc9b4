//! What was measured: figures of one round, and of all rounds.

use serde::Serialize;

use crate::latencies::Latencies;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    JobsPerSecond,
    Milliseconds,
    MicrosecondsPerJob,
    Mebibytes,
    Kibibytes,
    PerJob,
    Jobs,
    Messages,
    Seconds,
    Share,
    Times,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::JobsPerSecond => "jobs/s",
            Self::Milliseconds => "ms",
            Self::MicrosecondsPerJob => "µs/job",
            Self::Mebibytes => "MiB",
            Self::Kibibytes => "KiB",
            Self::PerJob => "per job",
            Self::Jobs => "jobs",
            Self::Messages => "messages",
            Self::Seconds => "s",
            Self::Share => "%",
            Self::Times => "×",
        }
    }

    /// Returns the value as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::JobsPerSecond | Self::Jobs | Self::Messages => format!("{value:.0}"),
            Self::Milliseconds | Self::Times => format!("{value:.2}"),
            Self::MicrosecondsPerJob | Self::Mebibytes | Self::Kibibytes | Self::Seconds => {
                format!("{value:.1}")
            }
            Self::PerJob => format!("{value:.4}"),
            Self::Share => format!("{:.1}", value * 100.0),
        }
    }
}

/// A figure of one round.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
}

/// What something came to over time.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// Seconds from the start, and value.
    pub(crate) points: Vec<(f64, f64)>,
}

/// All that one round has measured of one subject.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Whom or what: `quhao`, `baseline`, `ceiling`.
    pub(crate) subject: String,
    pub(crate) figures: Vec<Figure>,
    /// Distributions, by name.
    pub(crate) curves: Vec<(String, Latencies)>,
    pub(crate) series: Vec<Series>,
    /// What went otherwise than the field hopes, in words.
    pub(crate) notes: Vec<String>,
}

/// The percentiles of every distribution.
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

impl Measured {
    pub(crate) fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..Self::default() }
    }

    /// Adds a figure.
    pub(crate) fn put(&mut self, name: impl Into<String>, unit: Unit, value: f64) {
        self.figures.push(Figure { name: name.into(), unit, value });
    }

    /// Adds a figure if there is one.
    pub(crate) fn put_some(&mut self, name: &str, unit: Unit, value: Option<f64>) {
        if let Some(value) = value {
            self.put(name, unit, value);
        }
    }

    /// Adds a distribution with its percentiles; one without events is left out.
    pub(crate) fn put_latencies(&mut self, name: &str, latencies: &Latencies) {
        for (percentile, share) in SHARES {
            let value = latencies.milliseconds_at(share);
            self.put_some(&format!("{name} {percentile}"), Unit::Milliseconds, value);
        }
        if latencies.count() > 0 {
            self.curves.push((name.to_owned(), latencies.clone()));
        }
    }

    /// Says what went otherwise than hoped for, if anything did.
    pub(crate) fn note(&mut self, words: String) {
        if !words.is_empty() {
            self.notes.push(words);
        }
    }

    /// Returns the value of a figure.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }
}

/// Converts a count to a number to divide by.
#[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Returns the middle one, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let high = *sorted.get(sorted.len() / 2)?;
    let low = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn percentiles_stand_beside_their_curve() {
        let mut measured = Measured::of("quhao");
        measured.put_latencies("nothing", &Latencies::new());
        assert!(measured.figures.is_empty() && measured.curves.is_empty());
        let mut times = Latencies::new();
        times.record(Duration::from_millis(7));
        measured.put_latencies("submit", &times);
        assert_eq!(measured.figures.len(), SHARES.len());
        assert!((measured.value("submit p99").unwrap() - 7.0).abs() < 0.02);
    }

    #[test]
    fn values_are_shown_in_their_unit() {
        assert_eq!(Unit::JobsPerSecond.show(4321.6), "4322");
        assert_eq!(Unit::Share.show(0.9991), "99.9");
        assert_eq!(Unit::PerJob.show(0.005), "0.0050");
    }
}
