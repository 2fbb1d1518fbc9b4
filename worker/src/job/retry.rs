//! What to do when a call to the platform gave nothing. Pure: `calls.rs` does it.
//!
//! A code works once, so what may be repeated depends on whether it may have been spent.
//! The table is in `docs/integrate/failure-codes.md`; the platform's numbers are mapped to
//! [`Trouble`] by its adapter.

use std::time::Duration;

use quhao_common::{domain::failure::FailureCode, process::backoff::Backoff};

use crate::platform::Trouble;

/// Calls after a -1, beyond the first.
const BUSY_RETRIES_MAX: u32 = 2;
/// Calls after one that was not answered: the next tells whether the code was spent.
const UNANSWERED_RETRIES_MAX: u32 = 1;
/// Calls after one whose credential was refused: by then it has been fetched anew.
const REFUSED_RETRIES_MAX: u32 = 1;
const BUSY_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// Asking whether there is one by now costs nobody a call.
const CREDENTIAL_BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// WeChat has been seen to refuse a new access token for a moment.
const REFUSED_PAUSE: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_millis(600));
const CONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
/// Spread after the turn of a minute, so that waiting jobs do not all call at once.
pub(crate) const MINUTE_SPREAD: Duration = Duration::from_secs(3);

/// What happened to a job before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// The queue may have handed it to another worker earlier.
    pub redelivered: bool,
    /// Calls that did not leave this process.
    pub not_sent: u32,
    /// Calls that were sent and not answered.
    pub unanswered: u32,
    /// Calls that were answered with -1.
    pub busy: u32,
    /// Times that there was no credential to call with.
    pub without_credential: u32,
    /// Calls whose credential was refused.
    pub refused: u32,
}

impl History {
    /// Counts one more call that gave nothing.
    pub fn note(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::NotSent => self.not_sent += 1,
            Trouble::Unanswered => self.unanswered += 1,
            Trouble::Busy => self.busy += 1,
            Trouble::NoCredential => self.without_credential += 1,
            Trouble::CredentialRefused => self.refused += 1,
            Trouble::MinuteQuota | Trouble::CodeInvalid | Trouble::CodeUsed | Trouble::Final(_) => {
            }
        }
    }

    /// Whether an earlier call for this very job may have spent the code.
    pub fn may_have_spent_the_code(&self) -> bool {
        self.redelivered || self.unanswered > 0 || self.busy > 0
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Call again after this pause. The cause is a metric's label.
    Again {
        /// How long to wait.
        after: Duration,
        /// Why.
        cause: &'static str,
        /// How the job ends if there is no time or no room to wait.
        otherwise: FailureCode,
    },
    /// A sibling may have got there first: look for its result, and if there is none,
    /// end with this code.
    LookForSibling {
        /// What it is if nobody has a result.
        otherwise: FailureCode,
    },
    /// End with this code.
    End(FailureCode),
}

/// What chance and the clock say at the moment of the decision.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// What is left of the job's life.
    pub remaining: Duration,
    /// How far the wall clock is into its minute: quotas are counted by it.
    pub into_minute: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub chance: f64,
}

/// Judges one failed call. `history` already counts it.
pub fn decide(trouble: Trouble, history: &History, moment: Moment) -> Step {
    let (retry, otherwise) = match trouble {
        Trouble::NotSent => (
            Some((CONNECT_BACKOFF.pause(history.not_sent, moment.chance), "not_sent")),
            FailureCode::PlatformUnavailable,
        ),
        Trouble::Unanswered => (
            (history.unanswered <= UNANSWERED_RETRIES_MAX)
                .then(|| (between(BUSY_PAUSE, moment.chance), "unanswered")),
            FailureCode::PlatformUnavailable,
        ),
        Trouble::Busy => (
            (history.busy <= BUSY_RETRIES_MAX)
                .then(|| (between(BUSY_PAUSE, moment.chance), "busy")),
            FailureCode::PlatformUnavailable,
        ),
        Trouble::MinuteQuota => {
            let next_minute = MINUTE.saturating_sub(moment.into_minute);
            let after = next_minute + MINUTE_SPREAD.mul_f64(moment.chance);
            (Some((after, "minute_quota")), FailureCode::PlatformRateLimited)
        }
        Trouble::NoCredential => (
            Some((
                CREDENTIAL_BACKOFF.pause(history.without_credential, moment.chance),
                "no_credential",
            )),
            FailureCode::PlatformUnavailable,
        ),
        Trouble::CredentialRefused if history.refused <= REFUSED_RETRIES_MAX => (
            Some((between(REFUSED_PAUSE, moment.chance), "credential_refused")),
            FailureCode::PlatformUnavailable,
        ),
        Trouble::CredentialRefused => return Step::End(FailureCode::AppMisconfigured),
        Trouble::CodeUsed => return sibling(FailureCode::CodeAlreadyUsed, history),
        // The first call for a job that nobody had before: there is no sibling.
        Trouble::CodeInvalid if !history.may_have_spent_the_code() => {
            return Step::End(FailureCode::CodeInvalid);
        }
        Trouble::CodeInvalid => return sibling(FailureCode::CodeInvalid, history),
        Trouble::Final(code) => return Step::End(code),
    };
    match retry {
        Some((after, cause)) if after < moment.remaining => Step::Again { after, cause, otherwise },
        _ => Step::End(otherwise),
    }
}

fn sibling(code: FailureCode, history: &History) -> Step {
    let otherwise = if history.may_have_spent_the_code() { FailureCode::SessionLost } else { code };
    Step::LookForSibling { otherwise }
}

fn between((least, most): (Duration, Duration), chance: f64) -> Duration {
    least + most.saturating_sub(least).mul_f64(chance)
}
