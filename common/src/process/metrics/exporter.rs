//! The exporter of the metrics: one recorder a process, rendered on demand for Prometheus.

use std::time::Duration;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::table::{CATALOGUE, Kind};

/// The interval of folding samples into their buckets; until then each one is kept.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Upper bounds of the `_seconds` histograms: from a fast confirm to a job's whole life.
pub(super) const SECONDS_BOUNDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    300.0,
];
/// Upper bounds of the histograms that count jobs.
pub(super) const COUNT_BOUNDS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// The media type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

static INSTALLED: Mutex<Option<Exporter>> = Mutex::new(None);

/// What this process recorded. Cheap to clone.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

/// Why the exporter cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The buckets were refused.
    #[error("the metrics exporter cannot be built: {0}")]
    Build(#[from] BuildError),
    /// Something else records this process's metrics.
    #[error("this process has another metrics recorder")]
    Taken,
}

/// Installs the recorder of this process. Called again it returns the same exporter.
pub fn install() -> Result<Exporter, InstallError> {
    let mut installed = INSTALLED.lock();
    if let Some(exporter) = installed.as_ref() {
        return Ok(exporter.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BOUNDS)?
        .set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), &COUNT_BOUNDS)?
        .build_recorder();
    let exporter = Exporter(recorder.handle());
    metrics::set_global_recorder(recorder).map_err(|_| InstallError::Taken)?;
    describe();
    *installed = Some(exporter.clone());
    Ok(exporter)
}

impl Exporter {
    /// Returns everything recorded so far, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds samples into their buckets until `stop`. Without this they accumulate in memory
    /// between two scrapes.
    pub async fn upkeep(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(UPKEEP_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.0.run_upkeep();
        }
    }
}

/// The answer to `GET /metrics`.
impl IntoResponse for Exporter {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, TEXT_FORMAT)], self.render()).into_response()
    }
}

/// Describes every metric to the recorder.
fn describe() {
    for metric in CATALOGUE {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, Unit::Count, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, Unit::Count, metric.help),
            Kind::Histogram if metric.name.ends_with("_seconds") => {
                describe_histogram!(metric.name, Unit::Seconds, metric.help);
            }
            Kind::Histogram => describe_histogram!(metric.name, Unit::Count, metric.help),
        }
    }
}
