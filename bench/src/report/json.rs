//! A report for programs.

use serde_json::{Map, Value, json};

use super::{
    bar::Bar,
    summary::{Report, Subject, Summary, Trial},
};
use crate::{figure::median, latencies::Latencies};

/// Shares of a distribution that are listed: enough to draw it.
const SHARES: [f64; 12] =
    [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0];

/// Returns the whole report as JSON.
pub(crate) fn value(report: &Report, bars: &[Bar]) -> Value {
    let machine: Map<String, Value> =
        report.machine.lines().into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({
        "machine": machine,
        "trials": report.trials.iter().map(trial).collect::<Vec<_>>(),
        "verdict": bars.iter().map(bar).collect::<Vec<_>>(),
    })
}

fn trial(trial: &Trial) -> Value {
    json!({
        "name": trial.name,
        "setting": trial.setting,
        "rounds": trial.rounds,
        "subjects": trial.subjects.iter().map(subject).collect::<Vec<_>>(),
    })
}

fn subject(subject: &Subject) -> Value {
    let curves: Map<String, Value> =
        subject.curves.iter().map(|(name, times)| (name.clone(), curve(times))).collect();
    json!({
        "name": subject.name,
        "figures": subject.figures.iter().map(figure).collect::<Vec<_>>(),
        "curves": curves,
        "series": subject.series,
        "notes": subject.notes,
    })
}

fn figure(figure: &Summary) -> Value {
    json!({
        "name": figure.name,
        "unit": figure.unit,
        "median": figure.median(),
        "rounds": figure.values,
        "ratio_to_ceiling": median(&figure.ratios),
    })
}

fn curve(times: &Latencies) -> Value {
    let points = SHARES.iter().map(|share| json!([share, times.milliseconds_at(*share)]));
    json!({
        "events": times.count(),
        "milliseconds_at": points.collect::<Vec<_>>(),
    })
}

fn bar(bar: &Bar) -> Value {
    json!({
        "what": bar.what,
        "unit": bar.unit,
        "measured": bar.measured,
        "limit": bar.limit,
        "passed": bar.passed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::summary::tests::report;

    #[test]
    fn every_round_is_listed() {
        let value = value(&report(), &[]);
        let figure = &value["trials"][0]["subjects"][0]["figures"][0];
        assert_eq!(figure["name"], "end to end");
        assert_eq!(figure["rounds"], json!([100.0, 300.0, 200.0]));
        assert_eq!(figure["median"], 200.0);
        assert_eq!(figure["ratio_to_ceiling"], 0.1);
        assert_eq!(figure["unit"], "jobs_per_second");
    }
}
