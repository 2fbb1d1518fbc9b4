//! The token itself: as it is fetched, and as it is used.

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

/// The longest token, in bytes. WeChat has one reserve 512 characters.
pub(super) const TOKEN_BYTES_MAX: usize = 4096;

/// A token that may be used. Tokens are compared by number, not by text: the platform may issue
/// the same text again.
#[derive(Clone)]
pub(in crate::platform::wechat) struct Token {
    pub(super) text: Arc<SecretString>,
    pub(super) number: u64,
}

impl Token {
    /// Returns the text, for the platform.
    pub(in crate::platform::wechat) fn expose(&self) -> &str {
        self.text.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, redacted)", self.number)
    }
}

/// A token as it was fetched.
#[derive(Debug)]
pub(in crate::platform::wechat) struct FetchedToken {
    /// The token.
    pub(in crate::platform::wechat) text: SecretString,
    /// The time that it still works for.
    pub(in crate::platform::wechat) lifetime: Duration,
}

/// Returns whether `text` can be a token at all.
pub(in crate::platform::wechat) fn is_well_formed(text: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
