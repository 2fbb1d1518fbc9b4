//! The benches measure: a few jobs through everything that a figure is made of. The figures
//! of so few jobs, in whatever build, say nothing; that they are there does.

use std::process::Command;

use serde_json::Value;

/// Runs a trial and returns its report, parsed from JSON.
fn report(words: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_quhao-bench"))
        .args(["--json", "--ceiling-messages", "200"])
        .args(words)
        .output()
        .expect("the benches start");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}\n{log}"))
}

fn subject<'a>(report: &'a Value, name: &str) -> &'a Value {
    let subjects = report["trials"][0]["subjects"].as_array().expect("a list of subjects");
    let found = subjects.iter().find(|subject| subject["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {report:#}"));
    assert_eq!(found["notes"], Value::Array(vec![]), "nothing went wrong");
    found
}

fn median(subject: &Value, name: &str) -> f64 {
    let figures = subject["figures"].as_array().expect("a list of figures");
    let found = figures.iter().find(|figure| figure["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {subject:#}"));
    found["median"].as_f64().expect("a number")
}

#[test]
fn saturation_is_measured_beside_baseline_and_ceiling() {
    let words = ["saturate", "--jobs", "100", "--warm-up", "20", "--connections", "16"];
    let report = report(&[&words[..], &["--baseline-batched"]].concat());
    for name in ["quhao", "baseline", "baseline, batched"] {
        let subject = subject(&report, name);
        for figure in ["accepted", "end to end", "submit p99", "peak memory worker"] {
            assert!(median(subject, figure) > 0.0, "{figure} of {name}");
        }
    }
    assert!(median(subject(&report, "ceiling"), "published and consumed at once") > 0.0);
    let quhao = subject(&report, "quhao");
    assert!(median(quhao, "commits") < 1.0, "a commit is for several jobs: {quhao:#}");
    assert!(report["verdict"].as_array().is_some_and(|bars| !bars.is_empty()));
}

#[test]
fn wait_latency_counts_from_arrival() {
    let words = ["rate", "--wait", "--jobs-per-second", "100", "--seconds", "1"];
    let more = ["--warm-up", "20", "--upstream-ms", "20", "--no-ceiling"];
    let report = report(&[&words[..], &more[..]].concat());
    let quhao = subject(&report, "quhao");
    assert!(median(quhao, "platform p50") >= 20.0);
    assert!(median(quhao, "result p50") > median(quhao, "platform p50"));
    assert!((median(quhao, "offered") - 100.0).abs() < 0.5);
    assert!((median(quhao, "succeeded") - 100.0).abs() < 0.5);
}
