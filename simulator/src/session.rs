//! Session keys: one per app and user, until a login replaces it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::lock::locked;

/// The current session key of every user.
///
/// A key that was never replaced is computed from a secret of this process, so a million guests cost no
/// memory here; only replaced and given keys are stored.
pub(crate) struct SessionKeys {
    secret: RandomState,
    replaced: Mutex<HashMap<(String, String), String>>,
    bound: usize,
}

impl SessionKeys {
    pub(crate) fn new(bound: usize) -> Self {
        Self { secret: RandomState::new(), replaced: Mutex::default(), bound }
    }

    pub(crate) fn current(&self, app_id: &str, openid: &str) -> String {
        let replaced = locked(&self.replaced);
        if !replaced.is_empty()
            && let Some(key) = replaced.get(&(app_id.to_owned(), openid.to_owned()))
        {
            return key.clone();
        }
        drop(replaced);
        let half = |part: u8| self.secret.hash_one((part, app_id, openid)).to_be_bytes();
        STANDARD.encode([half(0), half(1)].concat())
    }

    pub(crate) fn replace(&self, app_id: &str, openid: &str, key: String) {
        let mut replaced = locked(&self.replaced);
        if replaced.len() >= self.bound {
            // As if WeChat had let the sessions end: the next login of these users gives another key.
            replaced.clear();
        }
        replaced.insert((app_id.to_owned(), openid.to_owned()), key);
    }
}

/// A session key that nobody had before: base64 of 16 bytes.
pub(crate) fn random_key() -> String {
    STANDARD.encode(rand::random::<[u8; 16]>())
}
