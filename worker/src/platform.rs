//! The platform seam: whose mini-program it is. The one open set, so the one trait.

use std::{collections::HashMap, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use quhao_common::{
    app::App,
    failure::FailureCode,
    job::Expect,
    outcome::Opened,
    phone::{Encrypted, LoginCode, SessionKey},
};
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

/// What an exchange that gave no session means for the job. Each platform maps its own
/// numbers to these; no two platforms agree on a number.
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
    /// Nothing that another try could change.
    Final(FailureCode),
}

/// An exchange that gave no session. Carries no cause: causes of HTTP clients quote URLs,
/// and ours hold a secret and a code.
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
    /// Spends `code` at the platform. Ends within the configured time limit.
    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, ExchangeError>>;

    /// Opens `payload` with `key` and judges what is inside. Pure.
    fn decrypt(
        &self,
        app: &App,
        key: &SessionKey,
        payload: Payload<'_>,
        now: OffsetDateTime,
    ) -> Result<Decrypted, FailureCode>;
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
