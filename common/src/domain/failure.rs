//! Every way a job can fail: the stable code, what it means, and what to do next.
//!
//! The page of failure codes in the documents is generated from this file.

use serde::{Deserialize, Serialize};

use crate::{closed_set::closed_set, domain::job::Shape};

closed_set! {
    /// What the caller should do about a failure. Names are part of the HTTP contract.
    pub enum Advice {
        /// Call `wx.login` and submit the new code.
        LoginAgain = "login_again",
        /// Call `wx.login` first, then let the guest tap the button, then submit both.
        LoginThenTap = "login_then_tap",
        /// Reject the guest: this payload proves nothing.
        Refuse = "refuse",
        /// The platform is down or busy; the same guest may try in a minute.
        TryLater = "try_later",
        /// Only the operator of quhao or the owner of the mini-program can fix this.
        ContactOperator = "contact_operator",
        /// Let the guest tap the button again and submit the new phone code.
        TapAgain = "tap_again",
    }
}

/// Defines the failure codes: name and message of each.
macro_rules! failure_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $message:literal;)*) => {
        closed_set! {
            /// The closed list of reasons. Names are part of the HTTP contract.
            pub enum FailureCode {
                $($(#[$doc])* $variant = $name,)*
            }
        }

        impl FailureCode {
            /// Returns one sentence for a developer. Never a cause, never a value.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),* }
            }
        }
    };
}

failure_codes! {
    /// The platform does not know the code (on WeChat 40029).
    CodeInvalid = "code_invalid", "The code is unknown to the platform, of another app or kind, or expired.";
    /// The code was used before (40163).
    CodeAlreadyUsed = "code_already_used", "The code has been used before; each works once.";
    /// The deadline passed.
    DeadlineExceeded = "deadline_exceeded", "The job was not done within its deadline.";
    /// The platform accepted the code, and its answer was lost.
    SessionLost = "session_lost", "The code was spent, but the platform's answer was lost on the way.";
    /// There is no session for the handle.
    SessionUnknown = "session_unknown", "The session is unknown or has expired.";
    /// The session key does not open the payload.
    DecryptFailed = "decrypt_failed", "The payload does not open with the guest's session keys; log in first, then tap.";
    /// The payload belongs to another app, or names none.
    WatermarkMismatch = "watermark_mismatch", "The payload was not made for this app.";
    /// The payload is older than the operator allows.
    WatermarkStale = "watermark_stale", "The payload is older than allowed.";
    /// The payload holds no usable phone number.
    NoPhone = "no_phone", "The payload holds no phone number.";
    /// The platform blocked the user (40226).
    UserBlocked = "user_blocked", "The platform blocked this user as high-risk.";
    /// The platform is down, unreachable or busy.
    PlatformUnavailable = "platform_unavailable", "The platform did not answer in time.";
    /// The platform's quota is used up (45009, 45011).
    PlatformRateLimited = "platform_rate_limited", "The app's quota at the platform is used up for now.";
    /// Wrong appid or secret, or the secret is frozen.
    AppMisconfigured = "app_misconfigured", "The platform refuses the app's credentials.";
    /// The app may not use this interface.
    AppForbidden = "app_forbidden", "The platform does not let this app do this.";
    /// The caller's address is not on the app's allow-list.
    IpNotAllowed = "ip_not_allowed", "The platform does not let this server's address in.";
    /// The platform's documentation does not explain the answer.
    PlatformUnexpected = "platform_unexpected", "The platform gave an answer that is not documented.";
    /// The job crashed workers, or no worker could read it.
    DeadLettered = "dead_lettered", "The job could not be worked on and was set aside.";
}

impl FailureCode {
    /// Returns what to do next, given what the job consisted of.
    pub fn advice(self, shape: Shape) -> Advice {
        match self {
            Self::CodeInvalid
            | Self::CodeAlreadyUsed
            | Self::DeadlineExceeded
            | Self::SessionLost => match shape {
                Shape::LoginAlone => Advice::LoginAgain,
                Shape::WithCiphertext => Advice::LoginThenTap,
                Shape::PhoneCode => Advice::TapAgain,
            },
            Self::SessionUnknown | Self::DecryptFailed => Advice::LoginThenTap,
            Self::WatermarkMismatch | Self::WatermarkStale | Self::NoPhone | Self::UserBlocked => {
                Advice::Refuse
            }
            Self::PlatformUnavailable | Self::PlatformRateLimited => Advice::TryLater,
            Self::AppMisconfigured
            | Self::AppForbidden
            | Self::IpNotAllowed
            | Self::PlatformUnexpected
            | Self::DeadLettered => Advice::ContactOperator,
        }
    }

    /// Returns whether a failure of this code, found later, replaces a stored `earlier` one.
    /// The first stays, with one exception: when a worker crashed after the exchange, its
    /// successor reads "used", which is not the user's doing.
    pub fn replaces(self, earlier: Self) -> bool {
        self == Self::SessionLost && earlier == Self::CodeAlreadyUsed
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The reason.
    pub code: FailureCode,
    /// The platform's own number for the reason.
    pub platform_code: Option<i64>,
    /// The platform's request id, for its support: WeChat looks one up for seven days.
    pub platform_rid: Option<String>,
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, platform_code: None, platform_rid: None }
    }
}
