//! The page of all metrics in the documents, made from their table.

use std::fmt::Write;

use super::{
    exporter::{COUNT_BOUNDS, SECONDS_BOUNDS},
    table::CATALOGUE,
};

const INTRODUCTION: &str = "\
# Metrics

<!-- Generated from common/src/process/metrics by `quhao docs`. Change that, not this page. -->

Producer and worker each serve Prometheus' text format at `GET /metrics`, on a listener of their own.

| Role | Setting | Default |
|---|---|---|
| producer | `http.metrics_listen` | `127.0.0.1:9090` |
| worker | `worker.metrics_listen` | `127.0.0.1:9091` |

Keep both off the public network; they ask for no key.

A metric appears with its first sample.
Labels come from closed sets: no id, openid, phone number or appid is ever a label.

## All metrics

| metric | kind | labels | meaning |
|---|---|---|---|
";

const WATCH: &str = r#"
## What to watch

| Question | Expression |
|---|---|
| Do jobs succeed? | `sum(rate(quhao_jobs_total{outcome="succeeded"}[5m])) / (sum(rate(quhao_jobs_total[5m])) + sum(rate(quhao_deliveries_skipped_total{reason="expired"}[5m])) + sum(rate(quhao_dead_letters_total{result="dropped"}[5m])))` |
| Does anything run at all? | `sum(rate(quhao_jobs_total[5m]))` beside `sum(rate(quhao_submits_total{result="accepted"}[5m]))` |
| How long do clients wait? | `histogram_quantile(0.99, sum by (le) (rate(quhao_job_seconds_bucket[5m])))` |
| Are there enough workers? | `histogram_quantile(0.99, sum by (le) (rate(quhao_queued_seconds_bucket[5m])))`: it grows when there are too few |
| Are jobs refused because the queue is long? | `rate(quhao_submits_total{result="would_expire"}[5m]) > 0`: `quhao_expected_wait_seconds` nears the clients' deadlines |
| Are submits refused? | `sum by (result) (rate(quhao_submits_total{result!="accepted"}[5m]))` |
| Does the platform answer? | `sum by (result) (rate(quhao_exchange_seconds_count[5m]))` |
| Is a circuit breaker open? | `sum by (cause) (quhao_circuits_open) > 0` for some minutes; the workers' logs name the app |
| Is the broker reachable? | `min(quhao_queue_link_up) == 0` for more than a minute is an outage |
| Is the store reachable? | `rate(quhao_commits_failed_total{reason="unavailable"}[5m]) > 0` |
| Do webhooks arrive? | `sum by (result) (rate(quhao_callback_attempt_seconds_count{result!="delivered"}[5m]))` says why not |
| Were webhooks given up? | `increase(quhao_callbacks_total{state="failed"}[1h]) > 0`: `quhao callbacks list --state failed` shows which |
| Was anything dead-lettered? | `sum by (reason) (increase(quhao_dead_letters_total{reason!="expired"}[1h])) > 0`: jobs that crash workers, or that nobody can read |
| Are outcomes lost? | `increase(quhao_outcomes_handed_over_total{result=~"refused\|damaged"}[1h]) > 0` |
| Is work done twice? | `rate(quhao_acks_lost_total[5m])` and `quhao_exchanges_repeated_total{cause="redelivery"}`: above zero only after crashes |
| Was a configuration refused? | `increase(quhao_config_reloads_total{result="refused"}[1h]) > 0` |

The [runbook](runbook.md) says what to do about each.
"#;

/// Returns the page of all metrics, as Markdown.
pub fn metrics_markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    for metric in CATALOGUE {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        let kind = metric.kind.as_str();
        // Writing to a String does not fail.
        let _ = writeln!(out, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help);
    }
    let seconds = SECONDS_BOUNDS.map(|bound| bound.to_string()).join(", ");
    let counts = COUNT_BOUNDS.map(|bound| bound.to_string()).join(", ");
    let _ = write!(
        out,
        "\n| Histograms | Bounds |\n|---|---|\n| in seconds | {seconds} |\n\
         | `quhao_message_jobs`, `quhao_commit_jobs` | {counts} |\n"
    );
    out.push_str(WATCH);
    out
}
