//! How a trial went.

use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use quhao_simulator::Counts;
use quhao_tests::{
    figures::Figures,
    history::{History, Reply, Trouble},
    load::long,
};

use super::moves::Moves;

/// Longest that jobs of a worker that was killed may take to be worked on elsewhere, if it is
/// the first of theirs.
const MOVE_MAX: Duration = Duration::from_secs(3);

/// How a trial went.
pub(super) struct Outcome {
    /// How many guests came.
    pub(super) jobs: u64,
    /// The codes of all failures.
    pub(super) failures: Vec<String>,
    /// When the last failure was seen.
    pub(super) failed_until: Option<SystemTime>,
    /// Calls of the platform.
    pub(super) calls: u64,
    /// Codes that were used up without their session having been given.
    pub(super) burnt: u64,
    /// Jobs that failed although their session was given.
    given_in_vain: u64,
    /// Longest time from a job's acceptance to the sight of its end.
    pub(super) longest: Duration,
    /// Longest time from the sight of a job's end to its callback.
    pub(super) longest_word: Duration,
    /// Submits that were refused or not answered.
    pub(super) troubles: Vec<Trouble>,
    /// Jobs that workers had in hand when they were killed.
    held: u64,
    moves: Moves,
    figures: Figures,
}

impl Outcome {
    /// What `history` tells, of so many guests, and of the platform's counts.
    pub(super) fn of(subject: &str, history: &History, (jobs, counts): (usize, &Counts)) -> Self {
        let (failures, troubles) = (history.failures(), history.troubles());
        let (waits, words) = (history.waits(), history.word_waits());
        let last = |times: &[Duration]| times.last().copied().unwrap_or_default();
        let of_code = |code: &str| failures.iter().filter(|found| *found == code).count();
        let mut figures = Figures::of(subject)
            .value("jobs", jobs)
            .value("accepted", history.accepted())
            .value("failed", failures.len())
            .value("calls", counts.calls)
            .value("burnt", counts.burnt)
            .value("given in vain", history.given_in_vain())
            .value("session_lost", of_code("session_lost"))
            .value("deadline_exceeded", of_code("deadline_exceeded"))
            .value("callbacks", history.words());
        for (name, times) in [("wait", &waits), ("callback after", &words)] {
            if let Some(middle) = times.get(times.len() / 2) {
                figures =
                    figures.time(&format!("{name} p50"), *middle).time("longest", last(times));
            }
        }
        if let (Some(first), Some(end)) = (troubles.first(), troubles.last()) {
            figures = figures
                .value("submits refused", troubles.len())
                .time("for", since(first.at, end.at));
        }
        Self {
            jobs: jobs as u64,
            failures,
            failed_until: history.failed_until(),
            calls: counts.calls,
            burnt: counts.burnt,
            given_in_vain: history.given_in_vain() as u64,
            longest: last(&waits),
            longest_word: last(&words),
            troubles,
            held: 0,
            moves: Moves::default(),
            figures,
        }
    }

    /// The same after workers were killed that had so many jobs in hand.
    #[must_use]
    pub(super) fn after_kills(mut self, held: u64, moves: Moves) -> Self {
        if held > 0 {
            self.figures = self.figures.value("held", held);
        }
        let Moves { once, again, stayed } = &moves;
        for (name, times) in [("calls cut off", once), ("cut off once more", again)] {
            if let Some(longest) = times.last() {
                self.figures = self
                    .figures
                    .value(name, times.len())
                    .time("called again elsewhere after p50", times[times.len() / 2])
                    .time("longest", *longest);
            }
        }
        if !stayed.is_empty() {
            self.figures = self.figures.value("never called again", stayed.len());
        }
        Self { held, moves, ..self }
    }

    /// Adds a value to the line that is shown.
    #[must_use]
    pub(super) fn value(mut self, name: &str, value: impl Display) -> Self {
        self.figures = self.figures.value(name, value);
        self
    }

    /// Adds a time to the line that is shown.
    #[must_use]
    pub(super) fn time(mut self, name: &str, time: Duration) -> Self {
        self.figures = self.figures.time(name, time);
        self
    }

    /// Shows the line.
    pub(super) fn show(&self) {
        self.figures.show();
    }

    /// How long submits were still refused after `moment`.
    pub(super) fn troubled_after(&self, moment: SystemTime) -> Duration {
        self.troubled_between(moment, SystemTime::now())
    }

    /// How long submits were still refused after `from`, if that was before `to`.
    pub(super) fn troubled_between(&self, from: SystemTime, to: SystemTime) -> Duration {
        self.last_trouble(to).map_or(Duration::ZERO, |last| since(from, last.at))
    }

    /// The last submit before `to` that was refused or not answered.
    pub(super) fn last_trouble(&self, to: SystemTime) -> Option<&Trouble> {
        self.troubles.iter().rev().find(|trouble| trouble.at < to)
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
    /// Every code that this cost is answered for, and nothing else failed.
    pub(super) fn lost_only_what_was_held(&self, kills: u64) {
        const MOMENT: u64 = 10;
        // A copy whose worker is killed, too, may come too late to say what was lost.
        let late = if long() { "deadline_exceeded" } else { "session_lost" };
        self.failed_only(&["session_lost", late]);
        let (lost, most) = (self.failures.len() as u64, self.held + kills * MOMENT);
        assert!(lost <= most, "{lost} sessions were lost, and {most} could be");
        let cost = self.burnt + self.given_in_vain;
        assert_eq!(lost, cost, "each code that was spent in vain is answered for");
    }

    /// Makes sure that calls were cut off when workers were killed, and that others soon
    /// called again for each.
    pub(super) fn went_on_elsewhere(&self) {
        let Moves { once, stayed, .. } = &self.moves;
        let longest = once.last().copied().expect("calls were under way when workers were killed");
        assert!(stayed.is_empty(), "nobody went on with {stayed:?}");
        if long() {
            assert!(longest <= MOVE_MAX, "a job was called for again after {longest:?}");
        }
    }

    /// Shows the figures. Jobs failed with these codes alone.
    pub(super) fn failed_only(&self, codes: &[&str]) {
        self.show();
        let mut others = self.failures.clone();
        others.retain(|code| !codes.contains(&code.as_str()));
        assert_eq!(others, Vec::<String>::new(), "only {codes:?} may happen here");
    }
}

/// From `first` to `last`; nothing if that is the wrong way round.
pub(super) fn since(first: SystemTime, last: SystemTime) -> Duration {
    last.duration_since(first).unwrap_or_default()
}
