//! How a fault run went.

use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use quhao_simulator::Counts;

pub use super::cut_off::since;

use super::{cut_off::CutOffCalls, figures::Figures};
use crate::{
    history::{History, Rejection, Reply},
    load::is_long,
};

/// Longest that the jobs of a killed worker may take to be run elsewhere, if none of their
/// calls was cut off before.
const TAKEOVER_MAX: Duration = Duration::from_secs(3);

/// The result of a fault run.
#[derive(Debug)]
pub struct Report {
    /// Clients that came.
    pub jobs: u64,
    /// The codes of all failures.
    pub failures: Vec<String>,
    /// When the last failure was read.
    pub failed_until: Option<SystemTime>,
    /// Calls of the platform.
    pub calls: u64,
    /// Codes that were used up although their sessions were not given.
    pub burnt: u64,
    /// Jobs that failed although their sessions were given.
    wasted_sessions: u64,
    /// Longest time from a job's acceptance to the first read of its result.
    pub longest: Duration,
    /// Longest time from the first read of a job's result to its callback.
    pub longest_callback: Duration,
    /// Submits that were refused or not answered.
    pub rejections: Vec<Rejection>,
    /// Jobs in flight in workers when these were killed.
    held: u64,
    cut_off: CutOffCalls,
    figures: Figures,
}

impl Report {
    /// Creates the report of so many jobs from their history and the platform's counts.
    pub(super) fn new(subject: &str, history: &History, jobs: usize, counts: &Counts) -> Self {
        let failures = history.failures();
        let rejections = history.rejections();
        let waits = history.waits();
        let callback_waits = history.callback_waits();
        let last = |times: &[Duration]| times.last().copied().unwrap_or_default();
        let of_code = |code: &str| failures.iter().filter(|found| *found == code).count();
        let mut figures = Figures::of(subject)
            .value("jobs", jobs)
            .value("accepted", history.accepted())
            .value("failed", failures.len())
            .value("calls", counts.calls)
            .value("burnt", counts.burnt)
            .value("sessions wasted", history.wasted_sessions())
            .value("session_lost", of_code("session_lost"))
            .value("deadline_exceeded", of_code("deadline_exceeded"))
            .value("callbacks", history.callbacks());
        for (name, times) in [("wait", &waits), ("callback after", &callback_waits)] {
            if let Some(middle) = times.get(times.len() / 2) {
                figures =
                    figures.time(&format!("{name} p50"), *middle).time("longest", last(times));
            }
        }
        if let (Some(first), Some(end)) = (rejections.first(), rejections.last()) {
            figures = figures
                .value("submits rejected", rejections.len())
                .time("for", since(first.at, end.at));
        }
        Self {
            jobs: jobs as u64,
            failures,
            failed_until: history.failed_until(),
            calls: counts.calls,
            burnt: counts.burnt,
            wasted_sessions: history.wasted_sessions() as u64,
            longest: last(&waits),
            longest_callback: last(&callback_waits),
            rejections,
            held: 0,
            cut_off: CutOffCalls::default(),
            figures,
        }
    }

    /// Adds that workers were killed, which had `held` jobs in flight.
    #[must_use]
    pub(super) fn after_kills(mut self, held: u64, cut_off: CutOffCalls) -> Self {
        if held > 0 {
            self.figures = self.figures.value("held", held);
        }
        let CutOffCalls { first, repeated, abandoned } = &cut_off;
        for (name, times) in [("calls cut off", first), ("cut off once more", repeated)] {
            if let Some(longest) = times.last() {
                self.figures = self
                    .figures
                    .value(name, times.len())
                    .time("called again elsewhere after p50", times[times.len() / 2])
                    .time("longest", *longest);
            }
        }
        if !abandoned.is_empty() {
            self.figures = self.figures.value("never called again", abandoned.len());
        }
        Self { held, cut_off, ..self }
    }

    /// Adds a value to the line that is shown.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Display) -> Self {
        self.figures = self.figures.value(name, value);
        self
    }

    /// Adds a time to the line that is shown.
    #[must_use]
    pub fn time(mut self, name: &str, time: Duration) -> Self {
        self.figures = self.figures.time(name, time);
        self
    }

    /// Shows the line.
    pub fn show(&self) {
        self.figures.show();
    }

    /// Returns how long submits were still rejected after `from`.
    pub fn rejecting_after(&self, from: SystemTime) -> Duration {
        self.rejecting_between(from, SystemTime::now())
    }

    /// Returns how long submits were still rejected after `from`, if that was before `to`.
    pub fn rejecting_between(&self, from: SystemTime, to: SystemTime) -> Duration {
        self.last_rejection(to).map_or(Duration::ZERO, |last| since(from, last.at))
    }

    /// Returns the last submit before `to` that was rejected.
    pub fn last_rejection(&self, to: SystemTime) -> Option<&Rejection> {
        self.rejections.iter().rev().find(|rejection| rejection.at < to)
    }

    /// Asserts that the fault had an effect: some job had to wait for its end.
    pub fn assert_jobs_waited(&self, at_least: Duration) {
        let longest = self.longest;
        assert!(longest >= at_least, "the fault had no effect: the longest wait was {longest:?}");
    }

    /// Asserts that the fault had an effect: some submit was rejected.
    pub fn assert_submits_were_rejected(&self) {
        assert_ne!(self.rejections, [], "no submit was rejected");
    }

    /// Returns the longest time that a refusal took.
    pub fn slowest_refusal(&self) -> Duration {
        let refusals =
            self.rejections.iter().filter(|it| matches!(it.reply, Reply::Refused { .. }));
        refusals.map(|refusal| refusal.took).max().unwrap_or_default()
    }

    /// Shows the figures and asserts that every job succeeded.
    pub fn assert_all_succeeded(&self) {
        self.assert_failed_only(&[]);
        assert_eq!(self.burnt, 0, "codes were used up without a session");
    }

    /// Shows the figures and asserts that only jobs failed that a worker held when it was
    /// killed, or took just before: their sessions were on the way to it, or not committed.
    /// Every code that was lost has its failure, and nothing else failed.
    pub fn assert_lost_only_held_jobs(&self, kills: u64) {
        /// Jobs that a worker may have taken after it was last asked how many it held.
        const TAKEN_UNSEEN_MAX: u64 = 10;
        // A duplicate whose worker is killed, too, may come too late to say what was lost.
        let late = if is_long() { "deadline_exceeded" } else { "session_lost" };
        self.assert_failed_only(&["session_lost", late]);
        let lost = self.failures.len() as u64;
        let lost_max = self.held + kills * TAKEN_UNSEEN_MAX;
        assert!(lost <= lost_max, "{lost} sessions were lost, and {lost_max} could be");
        let cost = self.burnt + self.wasted_sessions;
        assert_eq!(lost, cost, "each code that was lost has its failure");
    }

    /// Asserts that kills cut calls off, and that other workers soon called again for each.
    pub fn assert_taken_over(&self) {
        let CutOffCalls { first, abandoned, .. } = &self.cut_off;
        let longest = first.last().copied().expect("calls were in flight when workers were killed");
        assert!(abandoned.is_empty(), "no worker took over {abandoned:?}");
        if is_long() {
            assert!(longest <= TAKEOVER_MAX, "a job was called for again after {longest:?}");
        }
    }

    /// Shows the figures and asserts that jobs failed with these codes alone.
    pub fn assert_failed_only(&self, codes: &[&str]) {
        self.show();
        let mut others = self.failures.clone();
        others.retain(|code| !codes.contains(&code.as_str()));
        assert_eq!(others, Vec::<String>::new(), "only {codes:?} may happen here");
    }
}
