//! When the calls for one app are held back, and when one of them is a probe. Pure: the clock
//! and chance are the caller's.

use std::time::{Duration, Instant};

use quhao_common::{domain::id::JobKey, process::backoff::Backoff};

use super::call_result::{CallResult, Cause};
use crate::minute::{MINUTE, MINUTE_SPREAD};

/// Failed calls in a row, with no answer between them, that open a breaker. One job alone makes
/// three at most in a short time, so it takes several.
pub(super) const FAILURES_MAX: u32 = 8;
/// The time that these failures take at least: connections that break all at once are no outage,
/// and most of their calls succeed when they are repeated.
pub(super) const FAILING_MIN: Duration = Duration::from_millis(300);
/// Different jobs over the minute's quota, within [`OVER_QUOTA_WITHIN`], that make it the app's
/// quota. Older texts of WeChat's call it a limit of each user's, and one user does not tap as
/// often in that time.
pub(super) const OVER_QUOTA_JOBS: usize = 3;
/// The time within which [`OVER_QUOTA_JOBS`] are counted.
pub(super) const OVER_QUOTA_WITHIN: Duration = Duration::from_secs(5);
/// The pauses between probes of a platform that does not answer. Jobs that wait for it fail if it
/// takes long, so the first pauses are short. Neither are the last ones long: otherwise the
/// platform would have been back for long before a probe notices.
const DOWN_BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), DOWN_PAUSE_MAX);
/// The longest of those pauses.
pub(super) const DOWN_PAUSE_MAX: Duration = Duration::from_secs(10);
/// The pauses between probes of a day's quota. It comes back at the turn of the day, or when
/// somebody has it reset.
const DAY_QUOTA_BACKOFF: Backoff = Backoff::new(Duration::from_mins(1), DAY_QUOTA_PAUSE_MAX);
/// The longest of those pauses.
pub(super) const DAY_QUOTA_PAUSE_MAX: Duration = Duration::from_mins(10);
/// The longest wait for the end of a probe before a job asks again, in case nobody wakes it.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(1);
/// The time after which what is known says nothing about now.
const FORGET_AFTER: Duration = Duration::from_mins(10);

/// What a breaker's update depends on besides the result: the clocks and chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct BreakerInput {
    /// The time now.
    pub(super) now: Instant,
    /// The time since the wall clock's minute began: quotas are counted by it.
    pub(super) into_minute: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub(super) chance: f64,
}

/// A call that tests whether the cause is over. Whoever makes it reports its result
/// ([`Breaker::record`]), or that there was no call ([`Breaker::cancel`]).
///
/// It holds the time when it was given, which tells it from earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe(Instant);

/// What a job that wants to make a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It calls; with a probe if calls are held back otherwise.
    Call(Option<Probe>),
    /// It asks again after this pause, or when the breaker changes.
    Wait {
        /// The longest time to wait.
        pause: Duration,
        /// The cause why calls are held back.
        cause: Cause,
    },
    /// It does without: the cause will outlive the job.
    GiveUp {
        /// The cause why calls are held back.
        cause: Cause,
    },
}

/// The circuit breaker of one kind of call for one app.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failing: Option<Failing>,
    /// Jobs that were over the minute's quota lately.
    over_quota: Vec<OverQuota>,
    open: Option<Open>,
    recorded_at: Option<Instant>,
}

/// Failed calls in a row.
#[derive(Debug, Clone, Copy)]
struct Failing {
    /// Failed calls since the last answer.
    calls: u32,
    /// The time of the first of them.
    since: Instant,
}

/// A job that was over the minute's quota.
#[derive(Debug)]
struct OverQuota {
    job: JobKey,
    at: Instant,
}

/// An open breaker: calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// The cause why calls are held back.
    pub(super) cause: Cause,
    until: Instant,
    /// Times in a row that it has opened, with one failed probe each between.
    times: u32,
    probe: Option<Probe>,
}

impl Open {
    /// Returns whether a probe is under way.
    pub(super) fn is_probed(&self) -> bool {
        self.probe.is_some()
    }
}

impl Breaker {
    /// Returns why and how calls are held back, if they are.
    pub(super) fn open(&self) -> Option<Open> {
        self.open
    }

    /// Returns whether dropping it would lose anything.
    pub(super) fn is_in_use(&self) -> bool {
        self.open.is_some() || self.failing.is_some() || !self.over_quota.is_empty()
    }

    /// Decides on a call. A probe that it gives counts as under way.
    pub(super) fn admit(&mut self, now: Instant, chance: f64) -> Admission {
        self.expire(now);
        let Some(open) = &mut self.open else { return Admission::Call(None) };
        let cause = open.cause;
        let left = open.until.saturating_duration_since(now);
        if cause == Cause::MinuteQuota {
            // All may go on at the turn of the minute, but not at once.
            return Admission::Wait { pause: left + MINUTE_SPREAD.mul_f64(chance), cause };
        }
        if open.probe.is_none() && left.is_zero() {
            open.probe = Some(Probe(now));
            return Admission::Call(open.probe);
        }
        match cause {
            Cause::DayQuota => Admission::GiveUp { cause },
            _ if open.is_probed() => Admission::Wait { pause: PROBE_WAIT_MAX, cause },
            _ => Admission::Wait { pause: left, cause },
        }
    }

    /// Records the `result` of a call, which was made as `probe` if that is given.
    pub(super) fn record(&mut self, probe: Option<Probe>, result: CallResult, input: BreakerInput) {
        self.expire(input.now);
        self.recorded_at = Some(input.now);
        let was_probe = self.end_probe(probe);
        let cause = self.open.map(|open| open.cause);
        if result == CallResult::Failed {
            match cause {
                None => self.count_failure(input),
                Some(cause) if was_probe => self.hold_back(cause, input),
                // The call began before the breaker opened.
                Some(_) => {}
            }
            return;
        }
        self.failing = None;
        if result == CallResult::OverDayQuota {
            // Calls that began before the breaker opened change nothing.
            if was_probe || cause != Some(Cause::DayQuota) {
                self.hold_back(Cause::DayQuota, input);
            }
            return;
        }
        // Any answer shows that the platform is there, but a call from before a quota was
        // used up says nothing about the quota.
        if cause == Some(Cause::Down) || was_probe {
            self.open = None;
        }
        if let CallResult::OverMinuteQuota(job) = result
            && self.open.is_none()
        {
            self.count_over_quota(job, input);
        }
    }

    /// Records that `probe` was not made: the next call may be one.
    pub(super) fn cancel(&mut self, probe: Probe) {
        self.end_probe(Some(probe));
    }

    /// Drops what is out of date at `now`.
    pub(super) fn expire(&mut self, now: Instant) {
        self.open.take_if(|open| open.cause == Cause::MinuteQuota && open.until <= now);
        self.over_quota.retain(|over| now.duration_since(over.at) < OVER_QUOTA_WITHIN);
        let known_until = self.open.map(|open| open.until).max(self.recorded_at);
        let is_old = known_until.is_some_and(|until| now.duration_since(until) > FORGET_AFTER);
        if is_old && !self.open.is_some_and(|open| open.is_probed()) {
            self.open = None;
            self.failing = None;
        }
    }

    /// Ends `probe`. Returns whether it was the one under way, which an earlier one is not.
    fn end_probe(&mut self, probe: Option<Probe>) -> bool {
        match &mut self.open {
            Some(open) if probe.is_some() && open.probe == probe => {
                open.probe = None;
                true
            }
            _ => false,
        }
    }

    fn count_failure(&mut self, input: BreakerInput) {
        let mut failing = self.failing.unwrap_or(Failing { calls: 0, since: input.now });
        failing.calls = failing.calls.saturating_add(1);
        self.failing = Some(failing);
        let failing_for = input.now.duration_since(failing.since);
        if failing.calls >= FAILURES_MAX && failing_for >= FAILING_MIN {
            self.hold_back(Cause::Down, input);
        }
    }

    fn count_over_quota(&mut self, job: JobKey, input: BreakerInput) {
        self.over_quota.retain(|over| over.job != job);
        self.over_quota.push(OverQuota { job, at: input.now });
        if self.over_quota.len() >= OVER_QUOTA_JOBS {
            self.hold_back(Cause::MinuteQuota, input);
        }
    }

    fn hold_back(&mut self, cause: Cause, input: BreakerInput) {
        let times = match self.open {
            Some(open) if open.cause == cause => open.times.saturating_add(1),
            _ => 1,
        };
        let pause = match cause {
            Cause::Down => DOWN_BACKOFF.pause(times, input.chance),
            Cause::MinuteQuota => MINUTE.saturating_sub(input.into_minute),
            Cause::DayQuota => DAY_QUOTA_BACKOFF.pause(times, input.chance),
        };
        self.open = Some(Open { cause, until: input.now + pause, times, probe: None });
        self.failing = None;
        self.over_quota.clear();
    }
}

#[cfg(test)]
mod tests;
