//! What may be shown of a value: secrets are never, passwords in URLs neither.

use url::Url;

use super::schema::Section;

const SET: &str = "(set)";

/// A text value of `section.key`, fit to be shown.
pub(super) fn shown(section: &Section, key: &str, text: &str) -> String {
    match (section.name.as_str(), key) {
        ("queue" | "store", "url") => url(text),
        ("secrets", "id" | "seal") => numbered(text),
        // Enough to tell one key from another while it is rotated.
        ("clients", "api_key_sha256") => text.chars().take(8).chain(['…']).collect(),
        _ if section.is_secret(key) => SET.to_owned(),
        _ => text.to_owned(),
    }
}

/// `k1:(set)`
fn numbered(text: &str) -> String {
    match text.split_once(':') {
        Some((number, _)) if number.len() <= 4 => format!("{number}:{SET}"),
        _ => SET.to_owned(),
    }
}

/// A URL without its password, nor any parameter that may be one.
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
            let value = if may_be_secret(&name) { "***" } else { &value };
            query.append_pair(&name, value);
        }
    }
    url.into()
}

fn may_be_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "secret", "token", "key", "auth"].iter().any(|part| name.contains(part))
}
