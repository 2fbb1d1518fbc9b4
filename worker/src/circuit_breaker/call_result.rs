//! What calls tell about the platform, and for what calls are held back.

use quhao_common::domain::{failure::FailureCode, id::JobKey};

use crate::platform::Trouble;

/// What a call tells about the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It answered, whatever it said.
    Answered,
    /// It did not, or was too busy to.
    Failed,
    /// The app, or this job's guest, is over the quota of this minute.
    OverMinute(JobKey),
    /// The app is over the quota of this day.
    OverDay,
}

impl Signal {
    /// What a call for `job` tells that ended in `trouble`; `None` if no call was made.
    pub fn of(trouble: Trouble, job: JobKey) -> Option<Self> {
        match trouble {
            Trouble::NotSent | Trouble::Unanswered | Trouble::Busy => Some(Self::Failed),
            Trouble::MinuteQuota => Some(Self::OverMinute(job)),
            // The one quota that no other try within a job's life can change.
            Trouble::Final(FailureCode::PlatformRateLimited) => Some(Self::OverDay),
            Trouble::NoCredential => None,
            Trouble::CodeInvalid
            | Trouble::CodeUsed
            | Trouble::CredentialRefused
            | Trouble::Final(_) => Some(Self::Answered),
        }
    }
}

/// Why calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The platform does not answer, or is too busy to.
    Down,
    /// The quota of this minute is used up.
    MinuteQuota,
    /// The quota of this day is used up.
    DayQuota,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Down, Self::MinuteQuota, Self::DayQuota];

    /// The value of its metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::MinuteQuota => "minute_quota",
            Self::DayQuota => "day_quota",
        }
    }

    /// How a job ends that cannot wait until it is over.
    pub fn failure(self) -> FailureCode {
        match self {
            Self::Down => FailureCode::PlatformUnavailable,
            Self::MinuteQuota | Self::DayQuota => FailureCode::PlatformRateLimited,
        }
    }
}
