//! How a trial went.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    figures::Figures,
    history::{Reply, Trouble},
};

/// How a trial went.
pub(super) struct Outcome {
    /// How many guests came.
    pub(super) jobs: u64,
    /// Jobs that workers had in hand when they were killed.
    pub(super) held: u64,
    /// The codes of all failures.
    pub(super) failures: Vec<String>,
    /// Calls of the platform.
    pub(super) calls: u64,
    /// Codes that were used up without their session having been given.
    pub(super) burnt: u64,
    /// Longest time from a job's acceptance to the sight of its end.
    pub(super) longest: Duration,
    /// Submits that were refused or not answered.
    pub(super) troubles: Vec<Trouble>,
    pub(super) figures: Figures,
}

impl Outcome {
    /// Adds a time to the line that is shown.
    #[must_use]
    pub(super) fn time(mut self, name: &str, time: Duration) -> Self {
        self.figures = self.figures.time(name, time);
        self
    }

    /// How long submits were still refused after `moment`.
    pub(super) fn troubled_after(&self, moment: SystemTime) -> Duration {
        self.troubled_between(moment, SystemTime::now())
    }

    /// How long submits were still refused after `from`, if that was before `to`.
    pub(super) fn troubled_between(&self, from: SystemTime, to: SystemTime) -> Duration {
        let before = self.troubles.iter().rev().find(|trouble| trouble.at < to);
        before.map_or(Duration::ZERO, |last| since(from, last.at))
    }

    /// Makes sure that the fault was one: some job had to wait for its end.
    pub(super) fn waited(&self, at_least: Duration) {
        let longest = self.longest;
        assert!(longest >= at_least, "nothing was held up: the longest wait was {longest:?}");
    }

    /// The same where no job could be submitted.
    pub(super) fn refused(&self) {
        assert_ne!(self.troubles, [], "no submit was refused");
    }

    /// Longest time that a refusal took.
    pub(super) fn slowest_refusal(&self) -> Duration {
        let refusals = self.troubles.iter().filter(|it| matches!(it.reply, Reply::Refused { .. }));
        refusals.map(|refusal| refusal.took).max().unwrap_or_default()
    }

    /// Shows the figures. Every job succeeded.
    pub(super) fn all_succeeded(&self) {
        self.failed_only(&[]);
        assert_eq!(self.burnt, 0, "codes were used up in vain");
    }

    /// Shows the figures. Only jobs failed that a worker had in hand when it was killed, or
    /// took in the moment before: their sessions were on the way to it, or not committed.
    pub(super) fn lost_only_what_was_held(&self, kills: u64) {
        const MOMENT: u64 = 10;
        self.failed_only(&["session_lost"]);
        let (lost, most) = (self.failures.len() as u64, self.held + kills * MOMENT);
        assert!(lost <= most, "{lost} sessions were lost, and {most} could be");
    }

    /// Shows the figures. Jobs failed with these codes alone.
    pub(super) fn failed_only(&self, codes: &[&str]) {
        self.figures.show();
        let mut others = self.failures.clone();
        others.retain(|code| !codes.contains(&code.as_str()));
        assert_eq!(others, Vec::<String>::new(), "only {codes:?} may happen here");
    }
}

/// From `first` to `last`; nothing if that is the wrong way round.
pub(super) fn since(first: SystemTime, last: SystemTime) -> Duration {
    last.duration_since(first).unwrap_or_default()
}
