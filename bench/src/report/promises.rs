//! What the product promises, compared with what was measured. Pure.

use super::{
    bar::{Bar, Better},
    summary::{Report, Subject},
};
use crate::figure::Unit;

/// What quhao has to be against the plain program beside it.
const BASELINE_RATIO: f64 = 1.5;
/// Processor time of producer and worker.
const CPU_MICROS: f64 = 80.0;
/// Processor time of the broker.
const BROKER_CPU_MICROS: f64 = 20.0;
/// Memory of a producer or a worker.
const MEMORY_MIB: f64 = 64.0;
/// What quhao itself may add to platform, confirm and commit.
const OWN_MILLIS: f64 = 2.0;
/// The 99th percentile from submit to result, at a platform that takes 20 ms.
const WAIT_P99_MILLIS: f64 = 50.0;

/// Returns every promise about what this report has measured.
pub(crate) fn bars(report: &Report) -> Vec<Bar> {
    let mut bars = Vec::new();
    if let Some(quhao) = report.subject("saturate", "quhao") {
        bars.extend(at_saturation(report, quhao));
    }
    if let Some(quhao) = report.subject("rate", "quhao") {
        bars.extend(waiting(quhao));
    }
    if let Some(quhao) = report.subject("backlog", "quhao") {
        bars.extend(memory("backlog", quhao));
    }
    if let Some(quhao) = report.subject("waiters", "quhao") {
        bars.extend(waiters(quhao));
    }
    bars
}

fn at_saturation(report: &Report, quhao: &Subject) -> Vec<Bar> {
    const END_TO_END: &str = "end to end";
    let less = |what: &str, unit, figure, limit| Bar {
        what: format!("saturate: {what}"),
        unit,
        measured: quhao.median(figure),
        limit,
        better: Better::Less,
    };
    let mut bars = Vec::new();
    if let Some(baseline) = report.subject("saturate", "baseline") {
        let both = quhao.median(END_TO_END).zip(baseline.median(END_TO_END));
        bars.push(Bar {
            what: "saturate: jobs/s end to end, to the baseline's".to_owned(),
            unit: Unit::Times,
            measured: both.map(|(quhao, baseline)| quhao / baseline),
            limit: BASELINE_RATIO,
            better: Better::More,
        });
    }
    let micros = Unit::MicrosecondsPerJob;
    bars.push(less(
        "processor time of producer and worker",
        micros,
        "cpu producer + worker",
        CPU_MICROS,
    ));
    bars.push(less("processor time of the broker", micros, "cpu broker", BROKER_CPU_MICROS));
    bars.extend(memory("saturate", quhao));
    bars
}

fn memory(trial: &str, quhao: &Subject) -> Vec<Bar> {
    let of = |role: &str| Bar {
        what: format!("{trial}: peak memory of the {role}"),
        unit: Unit::Mebibytes,
        measured: quhao.median(&format!("peak memory {role}")),
        limit: MEMORY_MIB,
        better: Better::Less,
    };
    vec![of("producer"), of("worker")]
}

/// Returns the promises to those who wait for their result, at a steady rate and a platform that
/// takes its time. Without either there is nothing to judge.
fn waiting(quhao: &Subject) -> Vec<Bar> {
    let Some(p50) = quhao.median("result p50") else { return Vec::new() };
    if quhao.median("platform p50").is_none() {
        return Vec::new();
    }
    let parts = ["platform p50", "confirm p50", "commit p50"].map(|part| quhao.median(part));
    let parts = parts.into_iter().sum::<Option<f64>>();
    let less = |what: &str, measured, limit| Bar {
        what: format!("rate: submit to result, {what}"),
        unit: Unit::Milliseconds,
        measured,
        limit,
        better: Better::Less,
    };
    // Without the parts there is no limit to judge by.
    let limit = parts.unwrap_or_default() + OWN_MILLIS;
    vec![
        less("p50 (platform, confirm, commit and 2 ms)", parts.map(|_| p50), limit),
        less("p99", quhao.median("result p99"), WAIT_P99_MILLIS),
    ]
}

fn waiters(quhao: &Subject) -> Vec<Bar> {
    let Some(offered) = quhao.median("offered") else { return Vec::new() };
    let all = |what: &str, figure| Bar {
        what: format!("waiters: {what}"),
        unit: Unit::Jobs,
        measured: quhao.median(figure),
        limit: offered,
        better: Better::More,
    };
    vec![all("that wait at once", "waiting at once"), all("answered with their result", "answered")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        figure::Measured,
        machine::Machine,
        report::summary::{Trial, tests::round},
    };

    fn report(name: &'static str, rounds: Vec<Vec<Measured>>) -> Report {
        let mut trial = Trial::new(name, String::new());
        for round in rounds {
            trial.add(round);
        }
        Report { machine: Machine::default(), trials: vec![trial] }
    }

    fn result_of(bars: &[Bar], words: &str) -> &'static str {
        bars.iter().find(|bar| bar.what.contains(words)).unwrap().result()
    }

    #[test]
    fn saturation_is_judged_by_medians() {
        let mut round = round(3000.0, 20_000.0);
        round[0].put("cpu producer + worker", Unit::MicrosecondsPerJob, 81.0);
        let mut baseline = Measured::of("baseline");
        baseline.put("end to end", Unit::JobsPerSecond, 2000.0);
        round.push(baseline);
        let bars = bars(&report("saturate", vec![round]));
        assert_eq!(result_of(&bars, "baseline"), "pass");
        assert_eq!(result_of(&bars, "producer and worker"), "miss");
        assert_eq!(result_of(&bars, "memory of the worker"), "pass");
        // Not measured, so unknown.
        assert_eq!(result_of(&bars, "time of the broker"), "?");
        assert!(!bars.iter().find(|bar| bar.what.contains("broker")).unwrap().passed());
    }

    #[test]
    fn waiting_is_judged_by_what_it_is_made_of() {
        let mut quhao = Measured::of("quhao");
        let figures = [
            ("result p50", 26.0),
            ("result p99", 51.0),
            ("platform p50", 20.5),
            ("confirm p50", 1.5),
            ("commit p50", 2.5),
        ];
        for (name, value) in figures {
            quhao.put(name, Unit::Milliseconds, value);
        }
        let bars = bars(&report("rate", vec![vec![quhao]]));
        assert_eq!(result_of(&bars, "p50"), "pass");
        assert!((bars[0].limit - 26.5).abs() < 1e-9);
        assert_eq!(result_of(&bars, "p99"), "miss");
        assert!(bars[1].line().contains("51.00 ms, wanted ≤ 50.00 ms"), "{}", bars[1].line());
    }

    #[test]
    fn what_was_not_tried_is_not_judged() {
        assert!(bars(&report("rate", vec![vec![Measured::of("quhao")]])).is_empty());
        assert!(bars(&report("embedded", vec![vec![Measured::of("quhao")]])).is_empty());
    }
}
