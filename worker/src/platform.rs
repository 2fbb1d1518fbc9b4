//! The platform seam: the platforms whose mini-programs send codes. Platforms are the one open
//! set, so this is the one trait.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use quhao_common::{
    domain::{
        app::App,
        failure::FailureCode,
        job::Expect,
        outcome::Opened,
        phone::{Encrypted, LoginCode, Phone, PhoneCode, SessionKey},
    },
    process::metrics::LabelValue,
};
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub mod wechat;

/// A guest's session at the platform: what a login code is exchanged for.
#[derive(Debug)]
pub struct Session {
    /// The guest's id within the app.
    pub openid: String,
    /// The guest's id across the apps of one owner.
    pub unionid: Option<String>,
    /// The key of what the guest's device encrypts from now on.
    pub key: SessionKey,
    /// The time at which the platform answered.
    pub exchanged_at: OffsetDateTime,
}

/// The phone number that a phone code stood for.
#[derive(Debug)]
pub struct Redeemed {
    /// The number.
    pub phone: Phone,
    /// The time at which the guest tapped, by the watermark.
    pub watermark_at: Option<OffsetDateTime>,
}

/// A call that spends a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A login code is exchanged for a session.
    Exchange,
    /// A phone code is redeemed for a number.
    Redeem,
}

/// The meaning of a failed call for its job. Each platform maps its own error numbers to these;
/// no two platforms agree on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallFailure {
    /// The request never left: name, connection or TLS failed. The code is untouched.
    NotSent,
    /// The request left, and no intelligible answer came. The code may be spent.
    Unanswered,
    /// The platform asks to try again (WeChat: -1). The code may be spent.
    Busy,
    /// The platform does not know the code.
    CodeInvalid,
    /// The code has been spent.
    CodeUsed,
    /// The quota of this minute is used up. The code is untouched.
    MinuteQuota,
    /// The call needs a credential (on WeChat a token) that is not available for now, so no
    /// call was made. The code is untouched.
    NoCredential,
    /// The platform refused the credential of the call, which is fetched anew. The code is
    /// untouched.
    CredentialRefused,
    /// A failure that no other try could change.
    Final(FailureCode),
}

impl CallFailure {
    /// Returns the value of its metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unanswered => "unanswered",
            Self::Busy => "busy",
            Self::CodeInvalid => "code_invalid",
            Self::CodeUsed => "code_already_used",
            Self::MinuteQuota => "minute_quota",
            Self::NoCredential => "no_credential",
            Self::CredentialRefused => "credential_refused",
            Self::Final(code) => code.as_str(),
        }
    }
}

impl LabelValue for CallFailure {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}

/// The error of a failed call. It has no source: errors of HTTP clients quote URLs, and ours
/// hold secrets, tokens and codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure:?} (platform code {platform_code:?}, rid {platform_rid:?})")]
pub struct PlatformError {
    /// The meaning for the job.
    pub failure: CallFailure,
    /// The platform's error number.
    pub platform_code: Option<i64>,
    /// The platform's request id.
    pub platform_rid: Option<String>,
}

impl From<CallFailure> for PlatformError {
    fn from(failure: CallFailure) -> Self {
        Self { failure, platform_code: None, platform_rid: None }
    }
}

/// A ciphertext, with what the caller expects in it.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The ciphertext.
    pub encrypted: &'a Encrypted,
    /// The content that is expected.
    pub expect: Expect,
}

/// The content of a ciphertext.
#[derive(Debug)]
pub struct Decrypted {
    /// The content that was asked for.
    pub opened: Opened,
    /// The time at which the platform made it, by the watermark.
    pub watermark_at: Option<OffsetDateTime>,
}

/// A mini-program platform.
pub trait Platform: Send + Sync + fmt::Debug {
    /// Fetches the credential of `call` for `app` if there is none.
    ///
    /// The future is ready at once where there is nothing to wait for, so that a job has to
    /// leave its slot only during a fetch. While no credential is available it fails at once,
    /// too, except for one caller now and then, who tries again. Ends within the time limit of
    /// a few calls.
    fn prepare<'a>(&'a self, app: &'a App, call: Call) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Exchanges `code` for a session, after [`Platform::prepare`]. Ends within the configured
    /// time limit.
    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, PlatformError>>;

    /// Redeems the phone code `code`, after [`Platform::prepare`], and checks what the platform
    /// says. If `openid` is given the platform checks that the code is this guest's. Ends
    /// within the configured time limit.
    fn redeem<'a>(
        &'a self,
        app: &'a App,
        code: &'a PhoneCode,
        openid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Redeemed, PlatformError>>;

    /// Decrypts `payload` with `key` and checks what is inside. Pure.
    fn decrypt(
        &self,
        app: &App,
        key: &SessionKey,
        payload: Payload<'_>,
        now: OffsetDateTime,
    ) -> Result<Decrypted, FailureCode>;

    /// Returns the number in an object that [`Platform::decrypt`] returned as it is, if the
    /// object would have passed where a number is expected. Pure.
    fn phone_in(&self, open_data: &RawValue) -> Option<Phone>;
}

/// The platforms of this build, by the name that the configuration uses.
#[derive(Debug, Clone, Default)]
pub struct Platforms(HashMap<&'static str, Arc<dyn Platform>>);

impl Platforms {
    /// Adds `platform` as `name`.
    #[must_use]
    pub fn with(mut self, name: &'static str, platform: Arc<dyn Platform>) -> Self {
        self.0.insert(name, platform);
        self
    }

    /// Returns the platform called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Platform>> {
        self.0.get(name)
    }
}
