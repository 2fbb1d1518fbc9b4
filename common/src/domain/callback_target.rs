//! Callbacks: where the event of a result may be sent, and what it is called.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// Longest callback URL, in bytes.
pub const CALLBACK_URL_BYTES_MAX: usize = 2048;

/// The URL that the event of a result is sent to. Callers put tokens into paths and queries,
/// so `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallbackUrl(Url);

impl fmt::Debug for CallbackUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackUrl(redacted)")
    }
}

/// Why a text is not a callback URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackUrlError {
    /// It is not an absolute `https` or `http` URL with a host.
    #[error("is not an absolute https URL")]
    Malformed,
    /// It has a user, a password or a fragment; or a query, where none is allowed.
    #[error("must have no user, password or fragment")]
    Surplus,
    /// It is longer than [`CALLBACK_URL_BYTES_MAX`].
    #[error("is longer than {CALLBACK_URL_BYTES_MAX} characters")]
    TooLong,
}

impl CallbackUrl {
    /// Parses `text`. Plain `http` parses too: the operator decides whether it is allowed.
    pub fn parse(text: &str) -> Result<Self, CallbackUrlError> {
        let url = Self::read(text)?;
        // Escapes make what is kept and sent longer than what was given.
        if text.len().max(url.as_str().len()) > CALLBACK_URL_BYTES_MAX {
            return Err(CallbackUrlError::TooLong);
        }
        Ok(url)
    }

    /// Parses `text` of any length: what was accepted once must be readable again.
    fn read(text: &str) -> Result<Self, CallbackUrlError> {
        let url = Url::parse(text).map_err(|_| CallbackUrlError::Malformed)?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(CallbackUrlError::Malformed);
        }
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !anonymous || url.fragment().is_some() {
            return Err(CallbackUrlError::Surplus);
        }
        Ok(Self(url))
    }

    /// Returns the whole text, for the request itself and for sealed places.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the parsed URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Returns whether it is plain `http`, which is not encrypted.
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl TryFrom<String> for CallbackUrl {
    type Error = CallbackUrlError;
    fn try_from(text: String) -> Result<Self, CallbackUrlError> {
        Self::read(&text)
    }
}

impl From<CallbackUrl> for String {
    fn from(url: CallbackUrl) -> Self {
        url.0.into()
    }
}

/// An entry of an app's `callback_allow`: a scheme, a host, a port and the beginning of a
/// path. `Debug` leaves the path out: tokens are put there.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowRule(Url);

impl fmt::Debug for AllowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AllowRule({})", self.0.origin().ascii_serialization())
    }
}

impl AllowRule {
    /// Parses `text`: a URL without user, password, query and fragment.
    pub fn parse(text: &str) -> Result<Self, CallbackUrlError> {
        let CallbackUrl(url) = CallbackUrl::parse(text)?;
        if url.query().is_some() {
            return Err(CallbackUrlError::Surplus);
        }
        Ok(Self(url))
    }

    /// Returns whether it is about plain `http`.
    pub fn is_plain_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Returns whether `url` has the same scheme, host and port, and a path that begins with
    /// this one's segments, each of them whole.
    pub fn allows(&self, url: &CallbackUrl) -> bool {
        let rule = &self.0;
        let url = &url.0;
        let same_origin = rule.scheme() == url.scheme()
            && rule.host() == url.host()
            && rule.port_or_known_default() == url.port_or_known_default();
        let mut wanted = segments(rule);
        if wanted.last() == Some(&"") {
            wanted.pop();
        }
        same_origin && segments(url).starts_with(&wanted) && (wanted.is_empty() || !may_leave(url))
    }
}

/// Returns whether a server could read a path that leaves its beginning: one that decodes
/// once more before it splits, or that takes `;…` for parameters of a segment.
fn may_leave(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "%25", "%00"].iter().any(|code| path.contains(code));
    let parent = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    hidden || path.split('/').any(parent)
}

fn segments(url: &Url) -> Vec<&str> {
    url.path_segments().map(Iterator::collect).unwrap_or_default()
}

/// The event that a callback reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallbackEvent {
    /// The job failed.
    Failed,
    /// The job succeeded. It replaces the event of a failure that was not sent yet.
    Succeeded,
}

impl CallbackEvent {
    /// Returns the `type` of the body.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Failed => "job.failed",
            Self::Succeeded => "job.succeeded",
        }
    }

    /// Returns what follows the job's id in `webhook-id`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Failed => "_failed",
            Self::Succeeded => "_succeeded",
        }
    }
}

/// How much of a job its callback contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallbackBody {
    /// Everything but the result, which the receiver fetches with its API key.
    #[default]
    Thin,
    /// The whole job, phone number included.
    Whole,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rule: &str, url: &str) -> bool {
        let rule = AllowRule::parse(rule).expect("a rule");
        rule.allows(&CallbackUrl::parse(url).expect("a URL"))
    }

    #[test]
    fn rule_needs_equal_origin_and_whole_segments() {
        for (rule, url) in [
            ("https://orders.example.com/", "https://orders.example.com/any/path?x=1"),
            ("https://orders.example.com", "https://ORDERS.example.com:443/"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/7"),
            ("https://orders.example.com/hooks/", "https://orders.example.com/hooks"),
            ("https://orders.example.com:8443/a/b", "https://orders.example.com:8443/a/b/c"),
            ("http://[::1]:80/", "http://[::1]/x"),
        ] {
            assert!(allowed(rule, url), "{rule} should allow {url}");
        }
        for (rule, url) in [
            ("https://orders.example.com/", "http://orders.example.com/"),
            ("https://orders.example.com/", "https://orders.example.com:8443/"),
            ("https://orders.example.com/", "https://orders.example.com.evil.example/"),
            ("https://orders.example.com/", "https://evil.example/orders.example.com/"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooksmith"),
            ("https://orders.example.com/hooks", "https://orders.example.com/"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/../admin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/%2e%2e/admin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/..%2fadmin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks\\..\\admin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/..;/admin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/%2e%2e;/admin"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/%252e%252e/a"),
            ("https://orders.example.com/hooks", "https://orders.example.com/hooks/.%00./admin"),
        ] {
            assert!(!allowed(rule, url), "{rule} should not allow {url}");
        }
    }

    #[test]
    fn malformed_callback_urls_are_refused() {
        let long = format!("https://a.example/{}", "x".repeat(CALLBACK_URL_BYTES_MAX));
        for (text, error) in [
            ("", CallbackUrlError::Malformed),
            ("/hooks", CallbackUrlError::Malformed),
            ("ftp://a.example/", CallbackUrlError::Malformed),
            ("javascript:alert(1)", CallbackUrlError::Malformed),
            ("https://", CallbackUrlError::Malformed),
            ("https://user@a.example/", CallbackUrlError::Surplus),
            ("https://:pw@a.example/", CallbackUrlError::Surplus),
            ("https://a.example/#x", CallbackUrlError::Surplus),
            (&long, CallbackUrlError::TooLong),
        ] {
            assert_eq!(CallbackUrl::parse(text).err(), Some(error), "{text}");
        }
        let rule = AllowRule::parse("https://a.example/?x=1");
        assert_eq!(rule.err(), Some(CallbackUrlError::Surplus));
    }

    /// Escapes make a text longer, and it must be readable from its row.
    #[test]
    fn accepted_callback_url_is_readable_again() {
        let longest = |letters: usize| format!("https://a.example/{}", "取".repeat(letters));
        let fits = CallbackUrl::parse(&longest(225)).expect("2043 bytes when escaped");
        let text = serde_json::to_string(&fits).expect("serialisable");
        assert_eq!(serde_json::from_str::<CallbackUrl>(&text).expect("readable"), fits);
        let error = CallbackUrl::parse(&longest(226)).err();
        assert_eq!(error, Some(CallbackUrlError::TooLong), "2052 bytes when escaped");
    }

    #[test]
    fn debug_of_a_callback_url_shows_nothing() {
        let url = CallbackUrl::parse("https://a.example/token").expect("a URL");
        assert_eq!(format!("{url:?}"), "CallbackUrl(redacted)");
    }
}
