//! Session keys: each user of an app has one, until a login replaces it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;

/// The current session keys of all users.
///
/// A key that was never replaced is computed from a secret of this process, so a million users cost
/// no memory here. Only keys that replaced another are stored.
pub(crate) struct SessionKeys {
    secret: RandomState,
    replaced: Mutex<HashMap<(String, String), String>>,
    replaced_max: usize,
}

impl SessionKeys {
    /// Creates the keys, of which at most `replaced_max` are stored.
    pub(crate) fn new(replaced_max: usize) -> Self {
        Self { secret: RandomState::new(), replaced: Mutex::default(), replaced_max }
    }

    /// Returns a user's current key.
    pub(crate) fn current(&self, app_id: &str, openid: &str) -> String {
        let replaced = self.replaced.lock();
        if !replaced.is_empty()
            && let Some(key) = replaced.get(&(app_id.to_owned(), openid.to_owned()))
        {
            return key.clone();
        }
        drop(replaced);
        let half = |part: u8| self.secret.hash_one((part, app_id, openid)).to_be_bytes();
        STANDARD.encode([half(0), half(1)].concat())
    }

    /// Replaces a user's key.
    pub(crate) fn replace(&self, app_id: &str, openid: &str, key: String) {
        let mut replaced = self.replaced.lock();
        if replaced.len() >= self.replaced_max {
            // As if WeChat had ended the sessions: these users have their computed keys again.
            replaced.clear();
        }
        replaced.insert((app_id.to_owned(), openid.to_owned()), key);
    }
}

/// Returns a random session key: base64 of 16 bytes.
pub(crate) fn random_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}
