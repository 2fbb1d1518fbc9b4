//! Reads request headers. Pure.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::problem::{FieldCode, FieldError};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const PREFER: HeaderName = HeaderName::from_static("prefer");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const REQUEST_ID_CHARACTERS_MAX: usize = 64;
const IDEMPOTENCY_KEY_CHARACTERS_MAX: usize = 255;

/// Returns the value of a header that stands exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Returns the text if it has 1 to `characters_max` characters, all visible ASCII.
fn visible_text(value: &HeaderValue, characters_max: usize) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let fits = (1..=characters_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text)
}

/// Returns the caller's own request id, if it is fit to be repeated in answers and logs.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = single(headers, &X_REQUEST_ID)?;
    visible_text(value, REQUEST_ID_CHARACTERS_MAX).map(|_| value.clone())
}

/// Returns the `Idempotency-Key`, exactly as sent.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, FieldError> {
    if !headers.contains_key(IDEMPOTENCY_KEY) {
        return Ok(None);
    }
    let key = single(headers, &IDEMPOTENCY_KEY)
        .and_then(|value| visible_text(value, IDEMPOTENCY_KEY_CHARACTERS_MAX));
    if key.is_none() {
        return Err(FieldError::new(
            "Idempotency-Key",
            FieldCode::InvalidValue,
            "must stand once, with 1 to 255 visible ASCII characters",
        ));
    }
    Ok(key)
}

/// Reads `Prefer: wait=N` (RFC 7240) and returns N seconds, at most `wait_max`. Malformed
/// preferences are ignored, as the RFC demands; the first well-formed one counts. `wait=0`
/// is no wish to wait.
pub(crate) fn prefer_wait(headers: &HeaderMap, wait_max: Duration) -> Option<Duration> {
    let seconds = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| split_unquoted(value, ','))
        .find_map(wait_seconds)?;
    let wait = Duration::from_secs(seconds).min(wait_max);
    (!wait.is_zero()).then_some(wait)
}

/// Returns the seconds of one `wait` preference.
fn wait_seconds(preference: &str) -> Option<u64> {
    let (name, value) = split_unquoted(preference, ';').next()?.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("wait") {
        return None;
    }
    let value = value.trim();
    let digits = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // What does not fit into 64 bits is longer than any limit.
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Splits `text` at `separator`, but not inside quoted strings.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c| {
        let splits = !quoted && c == separator;
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        splits
    })
}

/// Returns a W3C `traceparent` of version 00; anything else is ignored, as the W3C demands.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let text = single(headers, &TRACEPARENT)?.to_str().ok()?;
    let [version, trace, parent, flags]: [&str; 4] =
        text.split('-').collect::<Vec<_>>().try_into().ok()?;
    let is_hex = |part: &str, digits: usize| {
        let is_lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        part.len() == digits && part.bytes().all(is_lowercase_hex)
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let is_valid = version == "00"
        && (is_hex(trace, 32) && !is_zero(trace))
        && (is_hex(parent, 16) && !is_zero(parent))
        && is_hex(flags, 2);
    is_valid.then_some(text)
}

/// Returns whether the headers announce a body of JSON in UTF-8, without a content coding.
pub(crate) fn is_plain_json(headers: &HeaderMap) -> bool {
    let Some(Ok(content_type)) = single(headers, &header::CONTENT_TYPE).map(HeaderValue::to_str)
    else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_json && is_utf8 && is_plain
}

/// Returns the announced length of the body, in bytes.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    single(headers, &header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn prefer_wait_follows_rfc_7240() {
        let wait = |values: &[&str]| {
            prefer_wait(&headers(&PREFER, values), Duration::from_secs(30)).map(|w| w.as_secs())
        };
        assert_eq!(wait(&["wait=5"]), Some(5));
        assert_eq!(wait(&["respond-async, WAIT = \"7\" ; x=1"]), Some(7));
        assert_eq!(wait(&["respond-async", "wait=2, wait=9"]), Some(2));
        assert_eq!(wait(&["wait=300"]), Some(30));
        assert_eq!(wait(&["wait=99999999999999999999999"]), Some(30));
        assert_eq!(wait(&["foo=\"a, wait=5\""]), None);
        assert_eq!(wait(&["foo=\"a\\\", wait=5\", wait=6"]), Some(6));
        for ignored in ["wait=0", "wait", "wait=", "wait=-1", "wait=1.5", "wait=x", "", ",;=\""] {
            assert_eq!(wait(&[ignored]), None, "{ignored}");
        }
    }

    #[test]
    fn malformed_traceparent_is_ignored() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(&headers(&TRACEPARENT, &[valid])), Some(valid));
        assert_eq!(traceparent(&headers(&TRACEPARENT, &[valid, valid])), None);
        for wrong in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(traceparent(&headers(&TRACEPARENT, &[wrong])), None, "{wrong}");
        }
    }

    #[test]
    fn idempotency_key_is_kept_exactly_or_refused() {
        let key = |values: &[&str]| {
            let headers = headers(&IDEMPOTENCY_KEY, values);
            idempotency_key(&headers).map(|key| key.map(str::to_owned)).map_err(|e| e.code)
        };
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&["\"order-1\""]), Ok(Some("\"order-1\"".to_owned())));
        assert_eq!(key(&[&"k".repeat(255)]), Ok(Some("k".repeat(255))));
        for wrong in [&[""][..], &["a b"], &["a", "a"], &[&"k".repeat(256)], &["é"]] {
            assert_eq!(key(wrong), Err(FieldCode::InvalidValue), "{wrong:?}");
        }
    }

    #[test]
    fn only_plain_utf8_json_is_accepted() {
        let json = |values: &[&str]| is_plain_json(&headers(&header::CONTENT_TYPE, values));
        assert!(json(&["application/json"]));
        assert!(json(&["Application/JSON; Charset=\"UTF-8\""]));
        for wrong in [
            &[][..],
            &["text/json"],
            &["application/jsonx"],
            &["application/json; charset=gbk"],
            &["application/json", "application/json"],
        ] {
            assert!(!json(wrong), "{wrong:?}");
        }
        let mut zipped = headers(&header::CONTENT_TYPE, &["application/json"]);
        zipped.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_plain_json(&zipped));
    }
}
