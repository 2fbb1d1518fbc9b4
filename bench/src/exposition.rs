//! A process's own metrics, as its Prometheus page tells them. Pure.

use std::collections::BTreeMap;

/// What one page said: each sample by its name with labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exposition(BTreeMap<String, f64>);

/// A histogram's samples between two pages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distribution {
    /// Upper bound and events up to there, in order.
    buckets: Vec<(f64, f64)>,
    pub(crate) count: f64,
    pub(crate) sum: f64,
}

impl Exposition {
    /// Reads a page in Prometheus' text format.
    pub(crate) fn read(page: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            (!line.starts_with('#')).then(|| Some((name.to_owned(), value.parse().ok()?)))?
        };
        Self(page.lines().filter_map(sample).collect())
    }

    /// Counts in what another process tells.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            *self.0.entry(name.clone()).or_default() += value;
        }
    }

    /// What happened since an earlier page of the same processes. Of no use for gauges.
    #[must_use]
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |name: &str| earlier.0.get(name).copied().unwrap_or_default();
        Self(self.0.iter().map(|(name, value)| (name.clone(), value - before(name))).collect())
    }

    /// The sum of a counter or gauge over all its labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |sample: &str| sample.split('{').next() == Some(name);
        self.0.iter().filter(|(sample, _)| of_name(sample)).map(|(_, value)| value).sum()
    }

    /// A histogram over all its labels; `None` without an event.
    pub(crate) fn distribution(&self, name: &str) -> Option<Distribution> {
        let prefix = format!("{name}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (sample, events) in &self.0 {
            let Some(labels) = sample.strip_prefix(&prefix) else { continue };
            let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            match buckets.iter_mut().find(|(at, _)| at.total_cmp(&bound).is_eq()) {
                Some((_, sum)) => *sum += events,
                None => buckets.push((bound, *events)),
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let count = self.sum(&format!("{name}_count"));
        let sum = self.sum(&format!("{name}_sum"));
        (count > 0.0).then_some(Distribution { buckets, count, sum })
    }
}

impl Distribution {
    /// The mean.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Where this share of the events (0 to 1) ends, as if those of a bucket were spread
    /// evenly in it; `None` above the last bound.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count;
        let (mut low, mut below) = (0.0, 0.0);
        for &(bound, events) in &self.buckets {
            if events >= wanted && bound.is_finite() {
                let inside = events - below;
                let part = if inside > 0.0 { (wanted - below) / inside } else { 0.0 };
                return Some(low + (bound - low) * part);
            }
            (low, below) = (bound, events);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "# TYPE jobs_total counter\n\
        jobs_total{outcome=\"succeeded\"} 5\n\
        commit_seconds_bucket{le=\"0.001\"} 1\n\
        commit_seconds_bucket{le=\"0.01\"} 1\n\
        commit_seconds_bucket{le=\"+Inf\"} 1\n\
        commit_seconds_sum 0.0005\n\
        commit_seconds_count 1\n";
    const LATER: &str = "jobs_total{outcome=\"succeeded\"} 8\n\
        jobs_total{outcome=\"code used\"} 2\n\
        commit_seconds_bucket{le=\"0.001\"} 2\n\
        commit_seconds_bucket{le=\"0.01\"} 4\n\
        commit_seconds_bucket{le=\"+Inf\"} 5\n\
        commit_seconds_sum 0.1005\n\
        commit_seconds_count 5\n";

    fn between() -> Exposition {
        Exposition::read(LATER).since(&Exposition::read(EARLIER))
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn counters_are_summed_over_their_labels() {
        near(between().sum("jobs_total"), 5.0);
        near(between().sum("jobs"), 0.0);
    }

    #[test]
    fn a_distribution_is_what_happened_in_between() {
        let commits = between().distribution("commit_seconds").unwrap();
        near(commits.mean(), 0.025);
        // One below a millisecond, two up to ten, one beyond all bounds.
        near(commits.quantile(0.25).unwrap(), 0.001);
        near(commits.quantile(0.5).unwrap(), 0.0055);
        assert_eq!(commits.quantile(0.9), None);
        assert_eq!(between().distribution("other_seconds"), None);
    }

    #[test]
    fn processes_are_counted_together() {
        let mut both = between();
        both.add(&between());
        near(both.distribution("commit_seconds").unwrap().count, 8.0);
    }
}
