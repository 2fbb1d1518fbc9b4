//! Every way a job can fail: the stable code, what it means, and what to do next.
//!
//! `docs/integrate/failure-codes.md` is generated from this file.

use serde::{Deserialize, Serialize};

use crate::domain::job::Shape;

/// What the caller should do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Call `wx.login` and submit the new code.
    LoginAgain,
    /// Call `wx.login` first, then let the guest tap the button, then submit both.
    LoginThenTap,
    /// Let the guest tap the button again and submit the new phone code.
    TapAgain,
    /// Do not serve this guest on the strength of this payload.
    Refuse,
    /// The platform is in trouble; the same guest may try in a minute.
    TryLater,
    /// Only whoever runs quhao or owns the mini-program can mend this.
    ContactOperator,
}

impl Advice {
    /// The contract's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginAgain => "login_again",
            Self::LoginThenTap => "login_then_tap",
            Self::TapAgain => "tap_again",
            Self::Refuse => "refuse",
            Self::TryLater => "try_later",
            Self::ContactOperator => "contact_operator",
        }
    }
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $message:literal;)*) => {
        /// The closed list of reasons. Names are part of the HTTP contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl FailureCode {
            /// Every code, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The contract's name of it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// One sentence for a developer. Never a cause, never a value.
            pub fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),* }
            }
        }
    };
}

failure_codes! {
    /// The platform does not know the code (on WeChat 40029).
    CodeInvalid = "code_invalid", "The code is unknown to the platform, of another app or kind, or expired.";
    /// Somebody used the code before (40163).
    CodeAlreadyUsed = "code_already_used", "The code has been used before; each works once.";
    /// Too late to be worth anything.
    DeadlineExceeded = "deadline_exceeded", "The job was not done within its deadline.";
    /// The platform took the code, and its answer was lost.
    SessionLost = "session_lost", "The code was spent, but the platform's answer was lost on the way.";
    /// A session handle without a session.
    SessionUnknown = "session_unknown", "The session is unknown or has expired.";
    /// The session key does not open the payload.
    DecryptFailed = "decrypt_failed", "The payload does not open with the guest's session keys; log in first, then tap.";
    /// The payload belongs to another app, or says of none.
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
    /// An answer that the documentation does not explain.
    PlatformUnexpected = "platform_unexpected", "The platform gave an answer that is not documented.";
    /// Working on the job broke the worker.
    DeadLettered = "dead_lettered", "The job could not be worked on and was set aside.";
}

impl FailureCode {
    /// The code called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// What to do next, given what the job consisted of.
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

    /// Whether a failure of this code, found later, takes the place of a stored
    /// `earlier` one. The first stays, but for one case: a worker that crashed after the
    /// exchange makes its successor read "used", which is not the user's doing.
    pub fn replaces(self, earlier: Self) -> bool {
        self == Self::SessionLost && earlier == Self::CodeAlreadyUsed
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The reason.
    pub code: FailureCode,
    /// The platform's own number for it.
    pub platform_code: Option<i64>,
    /// The platform's request id, for its support: WeChat looks one up for seven days.
    pub platform_rid: Option<String>,
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, platform_code: None, platform_rid: None }
    }
}
