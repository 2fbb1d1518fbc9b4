//! The platform seam: whose mini-program it is. The one open set, so the one trait.

use std::{collections::HashMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use quhao_common::domain::{
    app::App,
    failure::FailureCode,
    job::Expect,
    outcome::Opened,
    phone::{Encrypted, LoginCode, Phone, PhoneCode, SessionKey},
};
use serde_json::value::RawValue;
use time::OffsetDateTime;

pub mod wechat;

/// What an exchange gives.
#[derive(Debug)]
pub struct Session {
    /// The guest within the app.
    pub openid: String,
    /// The guest across apps of one owner.
    pub unionid: Option<String>,
    /// Opens what the guest's device encrypts from now on.
    pub key: SessionKey,
    /// When the platform answered.
    pub exchanged_at: OffsetDateTime,
}

/// What a phone code stood for.
#[derive(Debug)]
pub struct Redeemed {
    /// The number.
    pub phone: Phone,
    /// When the guest tapped, by the watermark.
    pub watermark_at: Option<OffsetDateTime>,
}

/// The calls that spend a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A login code for a session.
    Exchange,
    /// A phone code for a number.
    Redeem,
}

/// What a call that gave nothing means for the job. Each platform maps its own numbers to
/// these; no two platforms agree on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The request never left: name, connection or TLS failed. The code is untouched.
    NotSent,
    /// It left, and no intelligible answer came. The code may be spent.
    Unanswered,
    /// The platform asks to try again (WeChat: -1). The code may be spent.
    Busy,
    /// The platform does not know the code.
    CodeInvalid,
    /// The code has been spent.
    CodeUsed,
    /// The quota of this minute is used up. The code is untouched.
    MinuteQuota,
    /// The call needs a credential (on WeChat a token) that is not to be had for now, so
    /// there was none. The code is untouched.
    NoCredential,
    /// The platform does not take the credential of the call, which is fetched anew. The
    /// code is untouched.
    CredentialRefused,
    /// Nothing that another try could change.
    Final(FailureCode),
}

impl Trouble {
    /// The value of its metric label.
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

/// A call that gave nothing. Carries no cause: causes of HTTP clients quote URLs, and ours
/// hold secrets, tokens and codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{trouble:?} (platform code {platform_code:?}, rid {platform_rid:?})")]
pub struct ExchangeError {
    /// What it means.
    pub trouble: Trouble,
    /// The platform's number.
    pub platform_code: Option<i64>,
    /// The platform's request id.
    pub platform_rid: Option<String>,
}

impl From<Trouble> for ExchangeError {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, platform_code: None, platform_rid: None }
    }
}

/// A ciphertext, and what the caller wants out of it.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The ciphertext.
    pub encrypted: &'a Encrypted,
    /// What it should hold.
    pub expect: Expect,
}

/// What a ciphertext held.
#[derive(Debug)]
pub struct Decrypted {
    /// The content that was asked for.
    pub opened: Opened,
    /// When the platform made it.
    pub watermark_at: Option<OffsetDateTime>,
}

/// A mini-program platform.
pub trait Platform: Send + Sync + fmt::Debug {
    /// Makes ready what `call` proves itself with for `app`. Ready at once where there is
    /// nothing to wait for, so that a job has to leave its slot only while one is fetched.
    /// While none is to be had it says so at once, too, but to one caller now and then, who
    /// tries. Ends within a few calls' time limit.
    fn prepare<'a>(&'a self, app: &'a App, call: Call) -> BoxFuture<'a, Result<(), ExchangeError>>;

    /// Spends `code` at the platform, after [`Platform::prepare`]. Ends within the
    /// configured time limit.
    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, ExchangeError>>;

    /// Spends the phone code `code` at the platform, after [`Platform::prepare`], and judges
    /// what it says. If `openid` is given the platform checks that the code is this guest's.
    /// Ends within the configured time limit.
    fn redeem<'a>(
        &'a self,
        app: &'a App,
        code: &'a PhoneCode,
        openid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Redeemed, ExchangeError>>;

    /// Opens `payload` with `key` and judges what is inside. Pure.
    fn decrypt(
        &self,
        app: &App,
        key: &SessionKey,
        payload: Payload<'_>,
        now: OffsetDateTime,
    ) -> Result<Decrypted, FailureCode>;

    /// The number in an object that [`Platform::decrypt`] opened as it is, if it would have
    /// passed where a number is expected. Pure.
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

    /// The platform called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Platform>> {
        self.0.get(name)
    }
}
