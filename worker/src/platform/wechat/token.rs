//! Tokens: what calls prove themselves with that do not carry an app's secret.
//!
//! - `state`: when one is fetched, used, renewed and dropped. Pure.
//! - `kept`: one token and the fetch that is under way for it.
//! - `source`: where a token comes from; `issued` for those that others fetch.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quhao_common::app::{App, AppId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::api::Api;
use kept::Kept;
use source::Source;

pub mod issued;
pub mod kept;
pub mod source;
pub mod state;

/// Longest token. WeChat has one reserve 512 characters.
pub const TOKEN_BYTES_MAX: usize = 4096;
/// Beyond so many apps, those whose token is not in use are forgotten now and then.
const APPS_MIN: usize = 1024;

/// A token that may be used. Which one it is counts, not what it says: the platform may give
/// the same text again.
#[derive(Clone)]
pub struct Token {
    text: Arc<SecretString>,
    number: u64,
}

impl Token {
    /// The text, for the platform.
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, redacted)", self.number)
    }
}

/// A token as it came.
#[derive(Debug)]
pub struct Fetched {
    /// The token.
    pub text: SecretString,
    /// How much longer it works.
    pub life: Duration,
}

/// Whether `text` can be a token at all.
pub fn is_well_formed(text: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The access tokens of the apps of this process.
#[derive(Debug)]
pub struct Tokens {
    api: Arc<Api>,
    kept: Mutex<Apps>,
}

#[derive(Debug, Default)]
struct Apps {
    /// By app and digest of its secret, so that a new secret is not held up by what became
    /// of the old one.
    tokens: HashMap<(AppId, [u8; 32]), Arc<Kept>>,
    forget_at: usize,
}

impl Tokens {
    /// None yet; they come from `api`.
    pub fn new(api: Arc<Api>) -> Self {
        Self { api, kept: Mutex::new(Apps { forget_at: APPS_MIN, ..Apps::default() }) }
    }

    /// The token of `app`, whose secret is `secret`.
    pub fn of(&self, app: &App, secret: &SecretString) -> Arc<Kept> {
        let digest: [u8; 32] = Sha256::digest(secret.expose_secret().as_bytes()).into();
        let mut apps = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (app.id.clone(), digest);
        if let Some(kept) = apps.tokens.get(&place) {
            return Arc::clone(kept);
        }
        if apps.tokens.len() >= apps.forget_at {
            apps.tokens.retain(|_, kept| kept.is_in_use());
            apps.forget_at = APPS_MIN.max(2 * apps.tokens.len());
        }
        let source = Source::Platform {
            api: Arc::clone(&self.api),
            app: app.id.clone(),
            secret: secret.clone(),
        };
        let kept = Arc::new(Kept::new(source));
        apps.tokens.insert(place, Arc::clone(&kept));
        kept
    }
}
