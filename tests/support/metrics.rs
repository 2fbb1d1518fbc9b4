//! A process's metrics, parsed from its Prometheus page. Pure.

use std::collections::BTreeMap;

/// The samples of one page, or of several that were added up.
///
/// A *series* is a metric's name, which stands for all its labels, or a name with its labels
/// exactly as the page has them: `quhao_slots{state="working"}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

/// A histogram's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    buckets: Vec<Bucket>,
    /// How many events there were.
    pub count: f64,
    /// The sum of their values, in the metric's unit.
    pub sum: f64,
}

/// One bucket of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    /// The upper bound, in the metric's unit.
    bound: f64,
    /// Events up to there, those of lower buckets included.
    events: f64,
}

impl Metrics {
    /// Parses a page in Prometheus' text format.
    pub fn parse(page: &str) -> Self {
        let mut samples = BTreeMap::new();
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            if let Ok(value) = value.parse() {
                samples.insert(series.to_owned(), value);
            }
        }
        Self(samples)
    }

    /// Adds the samples of another process.
    pub fn add(&mut self, other: &Self) {
        for (series, value) in &other.0 {
            *self.0.entry(series.clone()).or_default() += value;
        }
    }

    /// Subtracts an earlier page of the same processes. Makes no sense for gauges.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |series: &str| earlier.0.get(series).copied().unwrap_or_default();
        Self(self.0.iter().map(|(name, value)| (name.clone(), value - before(name))).collect())
    }

    /// Returns the sum of a series; 0 if the page does not have it.
    pub fn sum(&self, series: &str) -> f64 {
        self.of(series).map(|(_, value)| value).sum()
    }

    /// Returns the sum of a series of whole numbers; 0 if the page does not have it.
    pub fn count(&self, series: &str) -> u64 {
        whole(self.sum(series))
    }

    /// Returns the sum of a metric over those of its labels that contain `label`.
    pub fn count_labelled(&self, name: &str, label: &str) -> u64 {
        let labelled = self.of(name).filter(|(series, _)| series.contains(label));
        whole(labelled.map(|(_, value)| value).sum())
    }

    /// Returns whether the page has a series.
    pub fn has(&self, series: &str) -> bool {
        self.of(series).next().is_some()
    }

    /// Returns the page's lines of a series, sorted.
    pub fn lines(&self, series: &str) -> Vec<String> {
        self.of(series).map(|(series, value)| format!("{series} {value}")).collect()
    }

    /// Returns a histogram over all its labels; `None` without an event.
    pub fn distribution(&self, name: &str) -> Option<Distribution> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for (series, events) in self.of(&format!("{name}_bucket")) {
            let bound = series.split("le=\"").nth(1)?.split('"').next()?;
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
            match buckets.iter_mut().find(|bucket| bucket.bound.total_cmp(&bound).is_eq()) {
                Some(bucket) => bucket.events += events,
                None => buckets.push(Bucket { bound, events }),
            }
        }
        buckets.sort_by(|one, other| one.bound.total_cmp(&other.bound));
        let count = self.sum(&format!("{name}_count"));
        let sum = self.sum(&format!("{name}_sum"));
        (count > 0.0).then_some(Distribution { buckets, count, sum })
    }

    fn of(&self, series: &str) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(move |(found, value)| {
            let rest = found.strip_prefix(series)?;
            (rest.is_empty() || rest.starts_with('{')).then_some((found.as_str(), *value))
        })
    }
}

impl Distribution {
    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Returns the value below which this share of the events lies (0 to 1), as if those of a
    /// bucket were spread evenly in it; `None` above the last bound.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count;
        let mut low = Bucket { bound: 0.0, events: 0.0 };
        for bucket in &self.buckets {
            if bucket.events >= wanted && bucket.bound.is_finite() {
                let inside = bucket.events - low.events;
                let part = if inside > 0.0 { (wanted - low.events) / inside } else { 0.0 };
                return Some(low.bound + (bucket.bound - low.bound) * part);
            }
            low = *bucket;
        }
        None
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number from 0, which is checked"
)]
fn whole(value: f64) -> u64 {
    assert!(value >= 0.0 && value.fract() == 0.0, "{value} is no count");
    value as u64
}
