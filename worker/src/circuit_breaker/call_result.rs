//! What a call says about the platform, and the causes to hold calls back.

use std::borrow::Cow;

use quhao_common::{
    domain::{failure::FailureCode, id::JobKey},
    process::metrics::LabelValue,
};

use crate::platform::CallFailure;

/// The result of a call, as far as it says something about the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallResult {
    /// The platform answered, whatever it said.
    Answered,
    /// The platform did not answer, or was too busy to.
    Failed,
    /// The app, or the guest of this job, is over the quota of this minute.
    OverMinuteQuota(JobKey),
    /// The app is over the quota of this day.
    OverDayQuota,
}

impl CallResult {
    /// Returns the result of a call for `job` that ended with `failure`; `None` if no call was
    /// made.
    pub(crate) fn from_failure(failure: CallFailure, job: JobKey) -> Option<Self> {
        match failure {
            CallFailure::NotSent | CallFailure::Unanswered | CallFailure::Busy => {
                Some(Self::Failed)
            }
            CallFailure::MinuteQuota => Some(Self::OverMinuteQuota(job)),
            // The one quota that no other try within a job's life can change.
            CallFailure::Final(FailureCode::PlatformRateLimited) => Some(Self::OverDayQuota),
            CallFailure::NoCredential => None,
            CallFailure::CodeInvalid
            | CallFailure::CodeUsed
            | CallFailure::CredentialRefused
            | CallFailure::Final(_) => Some(Self::Answered),
        }
    }
}

/// The cause why calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cause {
    /// The platform does not answer, or is too busy to.
    Down,
    /// The quota of this minute is used up.
    MinuteQuota,
    /// The quota of this day is used up.
    DayQuota,
}

impl Cause {
    /// Every cause.
    pub(crate) const ALL: [Self; 3] = [Self::Down, Self::MinuteQuota, Self::DayQuota];

    /// Returns the value of its metric label.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::MinuteQuota => "minute_quota",
            Self::DayQuota => "day_quota",
        }
    }

    /// Returns the failure of a job that cannot wait until the cause is over.
    pub(crate) fn failure(self) -> FailureCode {
        match self {
            Self::Down => FailureCode::PlatformUnavailable,
            Self::MinuteQuota | Self::DayQuota => FailureCode::PlatformRateLimited,
        }
    }
}

impl LabelValue for Cause {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}
