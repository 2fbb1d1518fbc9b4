//! The rounds of every trial, summarised.

use std::collections::BTreeMap;

use crate::{
    ceiling,
    figure::{Figure, Measured, Series, Unit, median},
    latencies::Latencies,
    machine::Machine,
};

/// Everything that a run has measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) trials: Vec<Trial>,
}

/// One trial, in as many rounds as were wanted.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    /// What was done, in words.
    pub(crate) setting: String,
    pub(crate) rounds: usize,
    pub(crate) subjects: Vec<Subject>,
}

/// What the rounds have measured of one subject.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) figures: Vec<Summary>,
    /// All rounds counted together.
    pub(crate) curves: BTreeMap<String, Latencies>,
    /// Of the last round.
    pub(crate) series: Vec<Series>,
    pub(crate) notes: Vec<String>,
}

/// One figure in all rounds.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// Of each round that has it.
    pub(crate) values: Vec<f64>,
    /// To the broker's ceiling of the same round.
    pub(crate) ratios: Vec<f64>,
}

impl Report {
    pub(crate) fn new(machine: Machine) -> Self {
        Self { machine, trials: Vec::new() }
    }

    /// Returns the subject of a trial, if both took part.
    pub(crate) fn subject(&self, trial: &str, subject: &str) -> Option<&Subject> {
        let trial = self.trials.iter().find(|one| one.name == trial)?;
        trial.subjects.iter().find(|one| one.name == subject)
    }
}

impl Trial {
    pub(crate) fn new(name: &'static str, setting: String) -> Self {
        Self { name, setting, rounds: 0, subjects: Vec::new() }
    }

    /// Counts in what another round has measured.
    pub(crate) fn add(&mut self, round: Vec<Measured>) {
        self.rounds += 1;
        let number = self.rounds;
        let ceiling = round.iter().find(|one| one.subject == ceiling::NAME).cloned();
        for measured in round {
            let subject = self.subject(&measured.subject);
            for figure in measured.figures {
                let reference =
                    ceiling.as_ref().and_then(|c| c.value(ceiling::beside(figure.unit)?));
                subject.figure(figure, reference);
            }
            for (name, latencies) in measured.curves {
                subject.curves.entry(name).or_default().add(&latencies);
            }
            subject.series = measured.series;
            let notes = measured.notes.into_iter();
            subject.notes.extend(notes.map(|note| format!("round {number}: {note}")));
        }
    }

    fn subject(&mut self, name: &str) -> &mut Subject {
        let at = self.subjects.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.subjects.push(Subject::new(name));
            self.subjects.len() - 1
        });
        &mut self.subjects[at]
    }
}

impl Subject {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            figures: Vec::new(),
            curves: BTreeMap::new(),
            series: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn figure(&mut self, figure: Figure, reference: Option<f64>) {
        let Figure { name, unit, value } = figure;
        let at = self.figures.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.figures.push(Summary { name, unit, values: Vec::new(), ratios: Vec::new() });
            self.figures.len() - 1
        });
        self.figures[at].values.push(value);
        self.figures[at].ratios.extend(reference.filter(|one| *one > 0.0).map(|one| value / one));
    }

    /// Returns the median of a figure over the rounds.
    pub(crate) fn median(&self, figure: &str) -> Option<f64> {
        median(&self.summary(figure)?.values)
    }

    /// Returns a figure in all rounds.
    pub(crate) fn summary(&self, figure: &str) -> Option<&Summary> {
        self.figures.iter().find(|one| one.name == figure)
    }
}

impl Summary {
    /// Returns the median of a figure over the rounds.
    pub(crate) fn median(&self) -> f64 {
        median(&self.values).unwrap_or_default()
    }

    /// Returns the smallest and the largest.
    pub(crate) fn range(&self) -> (f64, f64) {
        let lowest = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        (lowest, self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A round in which quhao did so many jobs a second and the broker so many messages.
    pub(crate) fn round(jobs: f64, messages: f64) -> Vec<Measured> {
        let (mut quhao, mut ceiling) = (Measured::of("quhao"), Measured::of(ceiling::NAME));
        quhao.put("end to end", Unit::JobsPerSecond, jobs);
        quhao.put("peak memory worker", Unit::Mebibytes, 40.0);
        ceiling.put(ceiling::THROUGH, Unit::JobsPerSecond, messages);
        vec![quhao, ceiling]
    }

    /// Three rounds of one trial.
    pub(crate) fn report() -> Report {
        let mut trial = Trial::new("saturate", "a closed loop".to_owned());
        for (jobs, messages) in [(100.0, 1000.0), (300.0, 1000.0), (200.0, 4000.0)] {
            trial.add(round(jobs, messages));
        }
        Report { machine: Machine::default(), trials: vec![trial] }
    }

    #[test]
    fn each_round_is_compared_with_its_own_ceiling() {
        let report = report();
        let quhao = report.subject("saturate", "quhao").unwrap();
        assert_eq!(quhao.median("end to end"), Some(200.0));
        let figure = quhao.summary("end to end").unwrap();
        assert_eq!(figure.ratios, [0.1, 0.3, 0.05]);
        assert_eq!(figure.range(), (100.0, 300.0));
        // A ceiling has no memory to compare with.
        assert!(quhao.summary("peak memory worker").unwrap().ratios.is_empty());
    }

    #[test]
    fn notes_tell_their_round() {
        let mut trial = Trial::new("rate", String::new());
        trial.add(vec![Measured::of("quhao")]);
        let mut second = Measured::of("quhao");
        second.note("3 answered 503".to_owned());
        second.note(String::new());
        trial.add(vec![second]);
        assert_eq!(trial.subjects[0].notes, ["round 2: 3 answered 503"]);
    }
}
