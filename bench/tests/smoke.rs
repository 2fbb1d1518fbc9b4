//! The benches measure: a few jobs through everything that a figure is made of. The figures
//! of so few jobs, in whatever build, say nothing; that they are there does.

use std::process::Command;

use serde_json::Value;

/// What a trial says of itself, as JSON.
fn told(words: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_quhao-bench"))
        .args(["--json", "--ceiling-messages", "200"])
        .args(words)
        .output()
        .expect("the benches start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}\n{said}"))
}

fn subject<'a>(told: &'a Value, name: &str) -> &'a Value {
    let subjects = told["trials"][0]["subjects"].as_array().expect("a list of subjects");
    let found = subjects.iter().find(|subject| subject["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {told:#}"));
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
    let told = told(&[&words[..], &["--baseline-batched"]].concat());
    for name in ["quhao", "baseline", "baseline, batched"] {
        let subject = subject(&told, name);
        for figure in ["accepted", "end to end", "submit p99", "peak memory worker"] {
            assert!(median(subject, figure) > 0.0, "{figure} of {name}");
        }
    }
    assert!(median(subject(&told, "ceiling"), "published and consumed at once") > 0.0);
    let quhao = subject(&told, "quhao");
    assert!(median(quhao, "commits") < 1.0, "a commit is for several jobs: {quhao:#}");
    assert!(told["verdict"].as_array().is_some_and(|bars| !bars.is_empty()));
}

#[test]
fn who_waits_is_measured_from_his_arrival() {
    let words = ["rate", "--wait", "--jobs-per-second", "100", "--seconds", "1"];
    let more = ["--warm-up", "20", "--upstream-ms", "20", "--no-ceiling"];
    let told = told(&[&words[..], &more[..]].concat());
    let quhao = subject(&told, "quhao");
    assert!(median(quhao, "platform p50") >= 20.0);
    assert!(median(quhao, "result p50") > median(quhao, "platform p50"));
    assert!((median(quhao, "offered") - 100.0).abs() < 0.5);
    assert!((median(quhao, "succeeded") - 100.0).abs() < 0.5);
}
