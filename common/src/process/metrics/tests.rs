use std::{collections::BTreeSet, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{AttemptLabel, metrics_markdown, table::CATALOGUE};
use crate::{
    domain::failure::FailureCode,
    process::metrics::{LabelValue, SkipReason},
};

#[test]
fn names_are_unique_and_have_their_units() {
    let names: BTreeSet<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), CATALOGUE.len());
    for metric in CATALOGUE {
        let is_counter = metric.kind.as_str() == "counter";
        assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        let is_histogram = metric.kind.as_str() == "histogram";
        let has_bounds = metric.name.ends_with("_seconds") || metric.name.ends_with("_jobs");
        assert!(!is_histogram || has_bounds, "{} has no buckets", metric.name);
    }
}

#[test]
fn page_lists_every_metric_and_knows_no_other() {
    let page = metrics_markdown();
    for metric in CATALOGUE {
        assert!(page.contains(&format!("\n| `{}` | ", metric.name)), "no {}", metric.name);
    }
    let is_other = |c: char| !(c.is_ascii_lowercase() || c == '_');
    for name in page.split(is_other).filter(|name| name.starts_with("quhao_")) {
        let is_known = |metric: &super::table::Metric| {
            let suffix = name.strip_prefix(metric.name);
            suffix.is_some_and(|rest| ["", "_bucket", "_count", "_sum"].contains(&rest))
        };
        assert!(CATALOGUE.iter().any(is_known), "{name}");
    }
}

#[tokio::test]
async fn exporter_installs_once_and_renders_histograms() {
    let exporter = crate::process::metrics::install().unwrap();
    let again = crate::process::metrics::install().unwrap();
    crate::process::metrics::confirmed(Duration::from_millis(3));
    crate::process::metrics::committed(7, Duration::from_millis(3));
    crate::process::metrics::submit_accepted();
    crate::process::metrics::job_failed(FailureCode::NoPhone);
    crate::process::metrics::http_request("/v1/jobs", 202, Duration::from_millis(3));

    let stop = CancellationToken::new();
    let upkeep = tokio::spawn(again.upkeep(stop.clone()));
    tokio::task::yield_now().await;
    stop.cancel();
    upkeep.await.unwrap();

    let text = exporter.render();
    for part in [
        "# HELP quhao_publish_confirm_seconds Time that the queue took",
        "# TYPE quhao_publish_confirm_seconds histogram",
        "quhao_publish_confirm_seconds_bucket{le=\"0.005\"} ",
        "# TYPE quhao_commit_jobs histogram",
        "quhao_commit_jobs_bucket{le=\"10\"} ",
        "quhao_submits_total{result=\"accepted\"} ",
        "quhao_jobs_total{outcome=\"no_phone\"} ",
        "quhao_http_request_seconds_count{route=\"/v1/jobs\",status=\"202\"} ",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}

#[test]
fn label_values_are_the_names_of_their_sets() {
    assert_eq!(&*SkipReason::Answered.label_value(), "answered");
    let failed = AttemptLabel::Failed(SkipReason::Expired);
    assert_eq!(&*failed.label_value(), "expired");
}
