//! When the calls for one app are held back, and when one of them tries whether it is over.
//! Pure: the clock and chance are the caller's.

use std::time::{Duration, Instant};

use quhao_common::{domain::id::JobKey, process::backoff::Backoff};

use super::call_result::{Cause, Signal};
use crate::minute::{MINUTE, MINUTE_SPREAD};

/// Failed calls in a row, no answer between them, that open a circuit. One job alone makes
/// three at most in a short time, so it takes several.
pub const FAILURES_MAX: u32 = 8;
/// And they take this long at least: connections that break all at once are no outage, and
/// most of their calls succeed when they are repeated.
pub const FAILING_LEAST: Duration = Duration::from_millis(300);
/// So many different jobs over the minute's quota within [`OVER_QUOTA_WITHIN`] make it the
/// app's matter. Older texts of WeChat's call it a limit of each user's, and one user does
/// not tap as often in that time.
pub const OVER_QUOTA_MAX: usize = 3;
/// See [`OVER_QUOTA_MAX`].
pub const OVER_QUOTA_WITHIN: Duration = Duration::from_secs(5);
/// How long a platform that does not answer is left alone. What waits for it fails if it
/// takes long, so the first pauses are short; and it is back for long before anybody notices
/// if the last ones are not.
pub const DOWN: Backoff = Backoff::new(Duration::from_millis(500), DOWN_LONGEST);
/// The longest of those pauses.
pub const DOWN_LONGEST: Duration = Duration::from_secs(10);
/// The day's quota comes back at the turn of the day, or when somebody has it reset.
pub const DAY_QUOTA: Backoff = Backoff::new(Duration::from_mins(1), DAY_QUOTA_LONGEST);
/// The longest of those pauses.
pub const DAY_QUOTA_LONGEST: Duration = Duration::from_mins(10);
/// How long others wait before they look again, when nobody tells them how a probe ended.
const PROBE_LOOK: Duration = Duration::from_secs(1);
/// What nobody has asked for so long says nothing about now.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// What the clocks and chance say.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Now.
    pub now: Instant,
    /// How far the wall clock is into its minute: quotas are counted by it.
    pub into_minute: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub chance: f64,
}

/// Leave to make one call. Whoever has it says what the call told ([`State::told`]) or that
/// there was none ([`State::gave_up`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// When it was given, if it is a probe's: that tells it from earlier ones.
    probe: Option<Instant>,
}

impl Ticket {
    /// Leave to call where nothing is held back.
    pub const PLAIN: Self = Self { probe: None };

    /// Whether this call is to try if the trouble is over.
    pub fn is_probe(self) -> bool {
        self.probe.is_some()
    }
}

/// What a job that wants to call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Call.
    Call(Ticket),
    /// Ask again after this pause, or when something changes.
    Wait(Duration, Cause),
    /// Do without: it will not be over while the job lives.
    DoWithout(Cause),
}

/// What is known of the calls for one app.
#[derive(Debug, Default)]
pub struct State {
    /// Failed calls since the last answer, and since when.
    failing: Option<(u32, Instant)>,
    /// Jobs that were over the minute's quota lately.
    over_quota: Vec<(JobKey, Instant)>,
    open: Option<Open>,
    told_at: Option<Instant>,
}

/// Calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Why.
    pub cause: Cause,
    until: Instant,
    /// How often in a row it has been opened, with one failed probe each between.
    times: u32,
    probe: Option<Instant>,
}

impl Open {
    /// Whether a call is under way that tries whether it is over.
    pub fn is_probed(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether `ticket` is that call's.
    pub fn is_probe(&self, ticket: Ticket) -> bool {
        self.probe.is_some() && self.probe == ticket.probe
    }
}

impl State {
    /// Why and how calls are held back, if they are.
    pub fn open(&self) -> Option<Open> {
        self.open
    }

    /// Whether forgetting it would lose anything.
    pub fn is_in_use(&self) -> bool {
        self.open.is_some() || self.failing.is_some() || !self.over_quota.is_empty()
    }

    /// What to do now. A call that it gives leave for as a probe counts as under way.
    pub fn next(&mut self, now: Instant, chance: f64) -> Next {
        self.pass(now);
        let Some(open) = &mut self.open else { return Next::Call(Ticket::PLAIN) };
        if open.cause == Cause::MinuteQuota {
            // All may go on at the turn of the minute, but not at once.
            let left = open.until.saturating_duration_since(now);
            let pause = left + MINUTE_SPREAD.mul_f64(chance);
            return Next::Wait(pause, open.cause);
        }
        if open.probe.is_none() && open.until <= now {
            open.probe = Some(now);
            return Next::Call(Ticket { probe: open.probe });
        }
        match open.cause {
            Cause::DayQuota => Next::DoWithout(open.cause),
            _ if open.probe.is_some() => Next::Wait(PROBE_LOOK, open.cause),
            _ => Next::Wait(open.until.saturating_duration_since(now), open.cause),
        }
    }

    /// The call of `ticket` told `signal`.
    pub fn told(&mut self, ticket: Ticket, signal: Signal, moment: Moment) {
        self.pass(moment.now);
        self.told_at = Some(moment.now);
        let probed = self.end_probe(ticket);
        let cause = self.open.map(|open| open.cause);
        if signal == Signal::Failed {
            match (probed, cause) {
                (true, Some(cause)) => self.hold_back(cause, moment),
                (_, None) => self.failed(moment),
                // It began before.
                (false, Some(_)) => {}
            }
            return;
        }
        self.failing = None;
        if signal == Signal::OverDay {
            // Those that began before change nothing.
            if probed || cause != Some(Cause::DayQuota) {
                self.hold_back(Cause::DayQuota, moment);
            }
            return;
        }
        // Any answer shows that the platform is there, but a call from before a quota was
        // used up says nothing about it.
        if cause == Some(Cause::Down) || probed {
            self.open = None;
        }
        if let Signal::OverMinute(job) = signal
            && self.open.is_none()
        {
            self.over_quota(job, moment);
        }
    }

    /// No call came of `ticket`: the next may try.
    pub fn gave_up(&mut self, ticket: Ticket) {
        self.end_probe(ticket);
    }

    /// Forgets what time has settled.
    pub fn pass(&mut self, now: Instant) {
        self.open.take_if(|open| open.cause == Cause::MinuteQuota && open.until <= now);
        self.over_quota.retain(|(_, at)| now.duration_since(*at) < OVER_QUOTA_WITHIN);
        let known_until = self.open.map(|open| open.until).max(self.told_at);
        let is_old = known_until.is_some_and(|until| now.duration_since(until) > FORGOTTEN);
        if is_old && !self.open.is_some_and(|open| open.is_probed()) {
            (self.open, self.failing) = (None, None);
        }
    }

    fn end_probe(&mut self, ticket: Ticket) -> bool {
        let open = self.open.as_mut().filter(|open| open.is_probe(ticket));
        open.is_some_and(|open| open.probe.take().is_some())
    }

    fn failed(&mut self, moment: Moment) {
        let (before, since) = self.failing.unwrap_or((0, moment.now));
        let count = before.saturating_add(1);
        self.failing = Some((count, since));
        if count >= FAILURES_MAX && moment.now.duration_since(since) >= FAILING_LEAST {
            self.hold_back(Cause::Down, moment);
        }
    }

    fn over_quota(&mut self, job: JobKey, moment: Moment) {
        self.over_quota.retain(|(other, _)| *other != job);
        self.over_quota.push((job, moment.now));
        if self.over_quota.len() >= OVER_QUOTA_MAX {
            self.hold_back(Cause::MinuteQuota, moment);
        }
    }

    fn hold_back(&mut self, cause: Cause, moment: Moment) {
        let again = self.open.filter(|open| open.cause == cause);
        let times = again.map_or(1, |open| open.times.saturating_add(1));
        let pause = match cause {
            Cause::Down => DOWN.pause(times, moment.chance),
            Cause::MinuteQuota => MINUTE.saturating_sub(moment.into_minute),
            Cause::DayQuota => DAY_QUOTA.pause(times, moment.chance),
        };
        self.open = Some(Open { cause, until: moment.now + pause, times, probe: None });
        self.failing = None;
        self.over_quota.clear();
    }
}
