//! `[platforms.wechat]`

use std::time::Duration;

use url::Url;

use super::layers::reader::Section;

/// `[platforms.wechat]`, without its third-party platform, which belongs to the apps that it
/// manages: [`crate::domain::app::Credential::ThirdPartyPlatform`].
#[derive(Debug, Clone, PartialEq)]
pub struct Wechat {
    /// Where WeChat's server APIs are.
    pub base_url: Url,
    /// Oldest payload to accept; `None`: age is not checked.
    pub watermark_max_age: Option<Duration>,
    /// Limit of connecting, TLS included.
    pub connect_timeout: Duration,
    /// Limit of a call as a whole.
    pub timeout: Duration,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Wechat> {
    let expected = "an https (or http) URL without user, password, query and fragment";
    let base_url = section.read("base_url", expected, |found| parse_base_url(found.text()?));
    let watermark_max_age = section.whole_seconds("watermark_max_age_seconds", 0..=86_400);
    let connect_timeout = section.seconds("connect_timeout_seconds", 0.05..=60.0);
    let timeout = section.seconds("timeout_seconds", 0.05..=60.0);
    Some(Wechat {
        base_url: base_url?,
        watermark_max_age: Some(watermark_max_age?).filter(|age| *age > Duration::ZERO),
        connect_timeout: connect_timeout?,
        timeout: timeout?,
    })
}

/// Parses the address of a platform. It must be safe to log, and to append a path to.
fn parse_base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "https" | "http") && url.has_host();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    let is_plain = url.query().is_none() && url.fragment().is_none();
    (is_http && is_anonymous && is_plain).then_some(url)
}
