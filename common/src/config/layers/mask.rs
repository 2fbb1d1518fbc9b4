//! What may be shown of a value: no secret, and no password in a URL.

use ::config::{Value, ValueKind};
use url::Url;

use super::schema::Section;

const SET: &str = "(set)";

/// The parameters of a URL that may be shown.
const SHOWN: &[&str] = &[
    "heartbeat",
    "frame_max",
    "channel_max",
    "connection_timeout",
    "sslmode",
    "host",
    "port",
    "dbname",
    "user",
    "application_name",
];

/// Returns what may be shown of `text`, the value of `section.key`.
pub(crate) fn shown(section: &Section, key: &str, text: &str) -> String {
    match (section.name.as_str(), key) {
        ("queue" | "store", "url") => url(text),
        ("secrets", "id" | "seal") => numbered(text),
        // Arguments may hold a password.
        ("platforms.wechat", "component_token_command") => SET.to_owned(),
        ("apps", "callback_allow") => origin(text),
        // Enough to tell two keys apart while one is rotated.
        ("clients", "api_key_sha256") => text.chars().take(8).chain(['…']).collect(),
        _ if section.is_secret(key) => SET.to_owned(),
        _ => text.to_owned(),
    }
}

/// Returns a URL without its path: tokens are put there.
fn origin(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return SET.to_owned() };
    if url.path() != "/" {
        url.set_path("***");
    }
    url.into()
}

/// Returns `k1:(set)` of a numbered secret.
fn numbered(text: &str) -> String {
    match text.split_once(':') {
        Some((number, _)) if number.len() <= 4 => format!("{number}:{SET}"),
        _ => SET.to_owned(),
    }
}

/// Returns a URL without its password and without any parameter that might hold one.
fn url(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else { return SET.to_owned() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return SET.to_owned();
    }
    if url.query().is_some() {
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            // An unknown name may be the rest of a password with an unescaped "&".
            if SHOWN.contains(&&*name) {
                query.append_pair(&name, &value);
            } else {
                query.append_pair("***", "***");
            }
        }
    }
    url.into()
}

/// Returns whether `value`, given for a key that takes a secret, contains one. A URL contains
/// one if it has a password.
pub(crate) fn is_secret(value: &Value) -> bool {
    let ValueKind::String(text) = &value.kind else { return true };
    if text.starts_with("sqlite:") {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return true };
    url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password")
}
