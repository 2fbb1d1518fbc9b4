//! Which plots a report makes.

use std::{fs, io, path::Path};

use super::{
    summary::{Report, Subject, Trial},
    svg::{
        axis::Spread,
        bars::{self, Bar},
        lines::{Line, Lines},
    },
};
use crate::figure::Unit;

/// The figure whose bars are drawn, by trial; others have no one figure that tells it all.
const BARS: [(&str, &str); 3] =
    [("saturate", "end to end"), ("scale", "end to end"), ("embedded", "end to end")];

/// The distributions that are drawn.
const CURVES: [&str; 2] = ["submit", "result"];

/// Points of a curve.
const POINTS: u32 = 200;

/// Writes the plots into a folder, which is made if it is not there; their names.
pub(crate) fn write(folder: &Path, report: &Report) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    let mut names = Vec::new();
    for (name, text) in report.trials.iter().flat_map(of_trial) {
        fs::write(folder.join(&name), text)?;
        names.push(name);
    }
    Ok(names)
}

/// Returns the plots of a trial, by file name.
fn of_trial(trial: &Trial) -> Vec<(String, String)> {
    let mut plots = vec![(format!("{}-latency.svg", trial.name), latency(trial))];
    if let Some((_, figure)) = BARS.iter().find(|(name, _)| *name == trial.name) {
        plots.push((format!("{}-throughput.svg", trial.name), throughput(trial, figure)));
    }
    for (unit, suffix) in
        [(Unit::Mebibytes, "memory"), (Unit::Messages, "waiting"), (Unit::JobsPerSecond, "calls")]
    {
        plots.push((format!("{}-{suffix}.svg", trial.name), over_time(trial, unit)));
    }
    plots.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}

fn latency(trial: &Trial) -> Option<String> {
    let of_subject = |subject: &Subject| {
        let curves = CURVES.iter().filter_map(|name| Some((*name, subject.curves.get(*name)?)));
        let lines = curves.map(|(name, times)| Line {
            name: format!("{}: {name}", subject.name),
            points: shares()
                .filter_map(|share| Some((share, times.milliseconds_at(share)?)))
                .filter(|(_, time)| *time > 0.0)
                .collect(),
        });
        lines.collect::<Vec<_>>()
    };
    Lines {
        title: &format!("{}: from arrival to answer", trial.name),
        axes: ("share of jobs answered by then", "ms"),
        spreads: (Spread::Nines, Spread::Logarithmic),
        drawn: trial.subjects.iter().flat_map(of_subject).collect(),
    }
    .draw()
}

/// Shares from 0 to 99.99 %, with as many points for each nine.
fn shares() -> impl Iterator<Item = f64> {
    (0..=POINTS).map(|at| 1.0 - 10.0_f64.powf(-4.0 * f64::from(at) / f64::from(POINTS)))
}

fn throughput(trial: &Trial, figure: &str) -> Option<String> {
    let bar = |subject: &Subject| {
        let summary = subject.summary(figure)?;
        let value = summary.median();
        let words = summary.unit.show(value);
        Some(Bar { name: subject.name.clone(), value, range: summary.range(), words })
    };
    let bars: Vec<Bar> = trial.subjects.iter().filter_map(bar).collect();
    bars::draw(&format!("{}: jobs a second, {figure}", trial.name), "jobs/s", &bars)
}

fn over_time(trial: &Trial, unit: Unit) -> Option<String> {
    let series = trial.subjects.iter().flat_map(|subject| &subject.series);
    let of_unit = series.filter(|series| series.unit == unit);
    let lines = of_unit.map(|one| Line { name: one.name.clone(), points: one.points.clone() });
    Lines {
        title: &format!("{}: over time", trial.name),
        axes: ("seconds", unit.name()),
        spreads: (Spread::Linear, Spread::Linear),
        drawn: lines.collect(),
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        figure::{Measured, Series},
        latencies::Latencies,
    };

    #[test]
    fn a_trial_has_the_plots_that_it_has_figures_for() {
        let mut quhao = Measured::of("quhao");
        let mut times = Latencies::new();
        (1..100).for_each(|millis| times.record(Duration::from_millis(millis)));
        quhao.put("end to end", Unit::JobsPerSecond, 4000.0);
        quhao.put_latencies("submit", &times);
        let points = vec![(0.0, 20.0), (1.0, 30.0)];
        quhao.series = vec![Series { name: "worker".to_owned(), unit: Unit::Mebibytes, points }];
        let mut trial = Trial::new("saturate", String::new());
        trial.add(vec![quhao]);
        let names: Vec<String> = of_trial(&trial).into_iter().map(|(name, _)| name).collect();
        let expected = ["saturate-latency.svg", "saturate-throughput.svg", "saturate-memory.svg"];
        assert_eq!(names, expected);
    }

    #[test]
    fn curves_reach_far_into_the_tail() {
        let shares: Vec<f64> = shares().collect();
        assert!(shares[0].abs() < 1e-9 && (shares[200] - 0.9999).abs() < 1e-9);
    }
}
