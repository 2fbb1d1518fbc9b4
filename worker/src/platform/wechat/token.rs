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

use quhao_common::domain::app::{App, AppId, Component, ComponentToken};
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
/// Beyond so many tokens, those that are not in use are forgotten now and then.
const KEPT_MIN: usize = 1024;

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

/// The tokens of this process.
#[derive(Debug)]
pub struct Tokens {
    api: Arc<Api>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    kept: HashMap<Whose, Arc<Kept>>,
    forget_at: usize,
}

/// Whose a token is, with where it comes from: what is configured anew is not held up by
/// what became of the old.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Whose {
    /// The app's, for the secret of this digest.
    App(AppId, [u8; 32]),
    /// This third-party platform's.
    Component(Arc<Component>),
}

impl Tokens {
    /// None yet; they come from `api`.
    pub fn new(api: Arc<Api>) -> Self {
        Self { api, known: Mutex::new(Known { kept: HashMap::new(), forget_at: KEPT_MIN }) }
    }

    /// The token of `app`, whose secret is `secret`.
    pub fn of(&self, app: &App, secret: &SecretString) -> Arc<Kept> {
        let digest: [u8; 32] = Sha256::digest(secret.expose_secret().as_bytes()).into();
        self.kept(Whose::App(app.id.clone(), digest), || Source::Platform {
            api: Arc::clone(&self.api),
            app: app.id.clone(),
            secret: secret.clone(),
        })
    }

    /// The token of `component`.
    pub fn of_component(&self, component: &Arc<Component>) -> Arc<Kept> {
        self.kept(Whose::Component(Arc::clone(component)), || match &component.token {
            ComponentToken::File(path) => Source::File(path.clone()),
            ComponentToken::Command(words) => Source::Command(words.clone()),
        })
    }

    fn kept(&self, whose: Whose, source: impl FnOnce() -> Source) -> Arc<Kept> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.kept.get(&whose) {
            return Arc::clone(kept);
        }
        if known.kept.len() >= known.forget_at {
            known.kept.retain(|_, kept| kept.is_in_use());
            known.forget_at = KEPT_MIN.max(2 * known.kept.len());
        }
        let kept = Arc::new(Kept::new(source()));
        known.kept.insert(whose, Arc::clone(&kept));
        kept
    }
}
