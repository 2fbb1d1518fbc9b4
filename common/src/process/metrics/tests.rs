use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::catalogue::CATALOGUE;

const DOCUMENT: &str = include_str!("../../../../docs/operate/metrics.md");

/// A metric as `metrics.rs` records it.
struct Recorded {
    kind: &'static str,
    labels: BTreeSet<String>,
}

fn recorded() -> BTreeMap<String, Recorded> {
    let source = include_str!("../metrics.rs");
    let mut metrics = BTreeMap::new();
    for (at, _) in source.match_indices("\"quhao_") {
        let (before, call) = (&source[..at], source[at..].split_once(';').unwrap().0);
        let kind = ["counter", "gauge", "histogram"]
            .into_iter()
            .max_by_key(|name| before.rfind(&format!("{name}!(")))
            .unwrap();
        let name = call.split('"').nth(1).unwrap();
        let labels = call
            .match_indices("\" =>")
            .map(|(end, _)| call[..end].rsplit('"').next().unwrap().to_owned())
            .collect();
        metrics.insert(name.to_owned(), Recorded { kind, labels });
    }
    metrics
}

#[test]
fn every_metric_is_described_and_documented() {
    let recorded = recorded();
    let names: Vec<_> = recorded.keys().map(String::as_str).collect();
    let mut described: Vec<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
    described.sort_unstable();
    assert_eq!(described, names);
    for metric in CATALOGUE {
        let Recorded { kind, labels } = &recorded[metric.name];
        assert_eq!(*kind, format!("{:?}", metric.kind).to_lowercase(), "{}", metric.name);
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let row = format!("| `{}` | {kind} | {labels} | {} |", metric.name, metric.help);
        assert!(DOCUMENT.contains(&row), "docs/operate/metrics.md lacks the row\n{row}");
    }
}

#[tokio::test]
async fn the_exporter_installs_once_and_renders_histograms() {
    let exporter = crate::process::metrics::install().unwrap();
    let again = crate::process::metrics::install().unwrap();
    crate::process::metrics::confirmed(Duration::from_millis(3));
    crate::process::metrics::committed(7, Duration::from_millis(3));
    crate::process::metrics::submitted("accepted");

    let stop = CancellationToken::new();
    let upkeep = tokio::spawn(again.upkeep(stop.clone()));
    tokio::task::yield_now().await;
    stop.cancel();
    upkeep.await.unwrap();

    let text = exporter.render();
    for part in [
        "# HELP quhao_publish_confirm_seconds Time the queue took",
        "# TYPE quhao_publish_confirm_seconds histogram",
        "quhao_publish_confirm_seconds_bucket{le=\"0.005\"} ",
        "# TYPE quhao_commit_jobs histogram",
        "quhao_commit_jobs_bucket{le=\"10\"} ",
        "quhao_submits_total{result=\"accepted\"} ",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
}
