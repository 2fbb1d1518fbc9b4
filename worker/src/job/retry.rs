//! Decides what follows a call to the platform that gave nothing. Pure: `call` does it.
//!
//! A code works once, so what may be repeated depends on whether it may have been spent.
//! The table is in `docs/integrate/failure-codes.md`; the platform's numbers are mapped to
//! [`CallFailure`] by its adapter.

use std::time::Duration;

use quhao_common::{
    domain::failure::FailureCode,
    process::{backoff::Backoff, metrics::RepeatCause},
};

use crate::{
    minute::{MINUTE, MINUTE_SPREAD},
    platform::CallFailure,
};

/// Calls after a -1, beyond the first.
const BUSY_RETRIES_MAX: u32 = 2;
/// Calls after one that was not answered: the next shows whether the code was spent.
const UNANSWERED_RETRIES_MAX: u32 = 1;
/// Calls after one whose credential was refused: by then it has been fetched anew.
const REFUSED_RETRIES_MAX: u32 = 1;
const BUSY_PAUSE: Pause =
    Pause { shortest: Duration::from_millis(200), longest: Duration::from_secs(1) };
/// WeChat has been seen to refuse a new access token for a moment.
const REFUSED_PAUSE: Pause =
    Pause { shortest: Duration::from_millis(200), longest: Duration::from_millis(600) };
/// Checking for a credential costs nobody a call.
const CREDENTIAL_BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
const CONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// What happened to a job before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Whether the queue may have handed the job to another worker earlier.
    pub redelivered: bool,
    /// Calls that did not leave this process.
    pub not_sent: u32,
    /// Calls that were sent and not answered.
    pub unanswered: u32,
    /// Calls that were answered with -1.
    pub busy: u32,
    /// Tries for which there was no credential to call with.
    pub without_credential: u32,
    /// Calls whose credential was refused.
    pub refused: u32,
}

impl History {
    /// Counts one more try that gave nothing.
    pub(crate) fn record(&mut self, failure: CallFailure) {
        match failure {
            CallFailure::NotSent => self.not_sent += 1,
            CallFailure::Unanswered => self.unanswered += 1,
            CallFailure::Busy => self.busy += 1,
            CallFailure::NoCredential => self.without_credential += 1,
            CallFailure::CredentialRefused => self.refused += 1,
            CallFailure::MinuteQuota
            | CallFailure::CodeInvalid
            | CallFailure::CodeUsed
            | CallFailure::Final(_) => {}
        }
    }

    /// Returns whether an earlier call for this very job may have spent the code.
    pub(crate) fn may_have_spent_the_code(&self) -> bool {
        self.redelivered || self.unanswered > 0 || self.busy > 0
    }
}

/// What a job does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It calls again.
    Retry {
        /// The pause before the call.
        after: Duration,
        /// The reason, as a metric label.
        cause: RepeatCause,
        /// The failure that the job ends with if there is no time or no room to wait.
        otherwise: FailureCode,
    },
    /// It looks for the result of a duplicate or a rival, which may have spent the code.
    CheckDuplicates {
        /// The failure that the job ends with if there is no such result.
        otherwise: FailureCode,
    },
    /// It ends with this failure.
    Fail(FailureCode),
}

/// What a decision depends on besides the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryInput {
    /// The time until the job's deadline.
    pub remaining: Duration,
    /// The time since the wall clock's minute began: quotas are counted by it.
    pub into_minute: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub chance: f64,
}

impl RetryInput {
    /// Returns a retry if its pause ends before the job's deadline.
    fn retry(self, after: Duration, cause: RepeatCause, otherwise: FailureCode) -> Next {
        if after < self.remaining {
            Next::Retry { after, cause, otherwise }
        } else {
            Next::Fail(otherwise)
        }
    }
}

/// Decides what follows one call that failed. `history` already counts it.
pub(crate) fn decide(failure: CallFailure, history: &History, input: RetryInput) -> Next {
    let unavailable = FailureCode::PlatformUnavailable;
    match failure {
        CallFailure::NotSent => {
            let after = CONNECT_BACKOFF.pause(history.not_sent, input.chance);
            input.retry(after, RepeatCause::NotSent, unavailable)
        }
        CallFailure::Unanswered if history.unanswered <= UNANSWERED_RETRIES_MAX => {
            input.retry(BUSY_PAUSE.at(input.chance), RepeatCause::Unanswered, unavailable)
        }
        CallFailure::Busy if history.busy <= BUSY_RETRIES_MAX => {
            input.retry(BUSY_PAUSE.at(input.chance), RepeatCause::Busy, unavailable)
        }
        CallFailure::Unanswered | CallFailure::Busy => Next::Fail(unavailable),
        CallFailure::MinuteQuota => {
            let next_minute = MINUTE.saturating_sub(input.into_minute);
            let after = next_minute + MINUTE_SPREAD.mul_f64(input.chance);
            input.retry(after, RepeatCause::MinuteQuota, FailureCode::PlatformRateLimited)
        }
        CallFailure::NoCredential => {
            let after = CREDENTIAL_BACKOFF.pause(history.without_credential, input.chance);
            input.retry(after, RepeatCause::NoCredential, unavailable)
        }
        CallFailure::CredentialRefused if history.refused <= REFUSED_RETRIES_MAX => {
            input.retry(REFUSED_PAUSE.at(input.chance), RepeatCause::CredentialRefused, unavailable)
        }
        CallFailure::CredentialRefused => Next::Fail(FailureCode::AppMisconfigured),
        CallFailure::CodeUsed => check_duplicates(FailureCode::CodeAlreadyUsed, history),
        // The first call for a job that nobody had before: no duplicate can have spent the code.
        CallFailure::CodeInvalid if !history.may_have_spent_the_code() => {
            Next::Fail(FailureCode::CodeInvalid)
        }
        CallFailure::CodeInvalid => check_duplicates(FailureCode::CodeInvalid, history),
        CallFailure::Final(code) => Next::Fail(code),
    }
}

fn check_duplicates(code: FailureCode, history: &History) -> Next {
    let otherwise = if history.may_have_spent_the_code() { FailureCode::SessionLost } else { code };
    Next::CheckDuplicates { otherwise }
}

/// The bounds of a pause that chance decides.
struct Pause {
    shortest: Duration,
    longest: Duration,
}

impl Pause {
    /// Returns the pause that `chance` (0 to 1) decides on.
    fn at(&self, chance: f64) -> Duration {
        self.shortest + self.longest.saturating_sub(self.shortest).mul_f64(chance)
    }
}

#[cfg(test)]
mod tests;
