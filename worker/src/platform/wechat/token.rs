//! Tokens: the credentials of calls that do not carry an app's secret.
//!
//! - `value`: a token, as it is fetched and as it is used.
//! - `lifecycle`: when one is fetched, used, renewed and dropped. Pure.
//! - `cached_token`: one token and the fetch that is under way for it.
//! - `source`: where a token comes from; `issued` reads those that others fetch.
//! - here: the tokens of all apps and third-party platforms.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use quhao_common::domain::app::{App, AppId, ThirdPartyPlatform, ThirdPartyTokenSource};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::api::Api;
use cached_token::CachedToken;
use source::Source;

mod cached_token;
mod issued;
mod lifecycle;
mod source;
pub(super) mod value;

/// The number of tokens beyond which those that are not in use are dropped now and then.
const DROP_UNUSED_FROM: usize = 1024;

/// The tokens of this process.
#[derive(Debug)]
pub(super) struct TokenCache {
    api: Arc<Api>,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    tokens: HashMap<Owner, Arc<CachedToken>>,
    /// The number of tokens at which those that are not in use are dropped next.
    drop_unused_at: usize,
}

/// The owner of a token, with the source that it comes from: after a change of the
/// configuration, an outage of the old source does not hold up the new one.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Owner {
    /// An app, with the digest of its secret.
    App(AppId, [u8; 32]),
    /// A third-party platform.
    ThirdParty(Arc<ThirdPartyPlatform>),
}

impl TokenCache {
    /// Creates an empty cache that fetches from `api`.
    pub(super) fn new(api: Arc<Api>) -> Self {
        let entries = Entries { tokens: HashMap::new(), drop_unused_at: DROP_UNUSED_FROM };
        Self { api, entries: Mutex::new(entries) }
    }

    /// Returns the token of `app`, whose secret is `secret`.
    pub(super) fn of_app(&self, app: &App, secret: &SecretString) -> Arc<CachedToken> {
        let digest: [u8; 32] = Sha256::digest(secret.expose_secret().as_bytes()).into();
        self.get_or_insert(Owner::App(app.id.clone(), digest), || Source::Platform {
            api: Arc::clone(&self.api),
            app: app.id.clone(),
            secret: secret.clone(),
        })
    }

    /// Returns the token of `third_party`.
    pub(super) fn of_third_party(&self, third_party: &Arc<ThirdPartyPlatform>) -> Arc<CachedToken> {
        let owner = Owner::ThirdParty(Arc::clone(third_party));
        self.get_or_insert(owner, || match &third_party.token {
            ThirdPartyTokenSource::File(path) => Source::File(path.clone()),
            ThirdPartyTokenSource::Command(words) => Source::Command(words.clone()),
        })
    }

    fn get_or_insert(&self, owner: Owner, source: impl FnOnce() -> Source) -> Arc<CachedToken> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = entries.tokens.get(&owner) {
            return Arc::clone(cached);
        }
        if entries.tokens.len() >= entries.drop_unused_at {
            entries.tokens.retain(|_, cached| cached.is_in_use());
            entries.drop_unused_at = DROP_UNUSED_FROM.max(2 * entries.tokens.len());
        }
        let cached = Arc::new(CachedToken::new(source()));
        entries.tokens.insert(owner, Arc::clone(&cached));
        cached
    }
}
