//! Checks of a decrypted payload: it must hold the app's own watermark, and a phone number
//! where one is expected. Pure.
//!
//! Source: WeChat's "Get phone number" (`phoneNumber`, `purePhoneNumber`, `countryCode`,
//! `watermark{appid, timestamp}`); `countryCode` is typed as a string there and printed
//! as a number, so both are read.

use std::time::Duration;

use quhao_common::domain::{failure::FailureCode, job::Expect, outcome::Opened, phone::Phone};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use time::OffsetDateTime;

use crate::platform::Decrypted;

/// The time by which a payload may be ahead of this clock, where age is checked at all.
const AHEAD_MAX: Duration = Duration::from_mins(5);

/// The rules for a payload.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    /// The app whose watermark it must carry.
    pub(super) app_id: &'a str,
    /// The age of the oldest payload to accept; `None`: age is not checked.
    pub(super) max_age: Option<Duration>,
    /// The time now.
    pub(super) now: OffsetDateTime,
}

#[derive(Deserialize)]
struct Payload {
    watermark: Option<Value>,
    #[serde(rename = "phoneNumber")]
    phone_number: Option<Value>,
    #[serde(rename = "purePhoneNumber")]
    pure_phone_number: Option<Value>,
    #[serde(rename = "countryCode")]
    country_code: Option<Value>,
}

/// Reads `text`, the JSON object that was encrypted, if it follows `rules`.
pub(super) fn read(
    text: &str,
    expect: Expect,
    rules: &Rules<'_>,
) -> Result<Decrypted, FailureCode> {
    // A duplicate key makes it unreadable: two readers would take different values.
    let payload: Payload = serde_json::from_str(text).map_err(|_| FailureCode::DecryptFailed)?;
    let watermark_at = watermark(payload.watermark.as_ref(), rules)?;
    let opened = match expect {
        Expect::OpenData => {
            let object: Box<RawValue> =
                serde_json::from_str(text).map_err(|_| FailureCode::DecryptFailed)?;
            Opened::OpenData(object)
        }
        Expect::Phone => Opened::Phone(phone(&payload).ok_or(FailureCode::NoPhone)?),
    };
    Ok(Decrypted { opened, watermark_at })
}

fn watermark(
    watermark: Option<&Value>,
    rules: &Rules<'_>,
) -> Result<Option<OffsetDateTime>, FailureCode> {
    let watermark = watermark.ok_or(FailureCode::WatermarkMismatch)?;
    if watermark.get("appid").and_then(Value::as_str) != Some(rules.app_id) {
        return Err(FailureCode::WatermarkMismatch);
    }
    let at = watermark
        .get("timestamp")
        .and_then(integer)
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    if let Some(max_age) = rules.max_age {
        let fresh = at.is_some_and(|at| {
            at <= rules.now.saturating_add(AHEAD_MAX.try_into().unwrap_or(time::Duration::ZERO))
                && rules.now - at
                    <= time::Duration::try_from(max_age).unwrap_or(time::Duration::MAX)
        });
        if !fresh {
            return Err(FailureCode::WatermarkStale);
        }
    }
    Ok(at)
}

/// Reads a number, or its digits in a string: documented as the one, seen as the other.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    }
}

/// Returns the number in `open_data`, by the same rules as where one is expected.
pub(super) fn phone_in(open_data: &RawValue) -> Option<Phone> {
    serde_json::from_str(open_data.get()).ok().as_ref().and_then(phone)
}

/// Returns the phone number if all three fields are there, well-formed and in agreement: with
/// CBC an attacker can change the first block at will, and the fields check one another.
fn phone(payload: &Payload) -> Option<Phone> {
    let phone_number = payload.phone_number.as_ref()?.as_str()?;
    let pure = payload.pure_phone_number.as_ref()?.as_str()?;
    let country = match payload.country_code.as_ref()? {
        Value::String(text) => text.trim_start_matches('+').to_owned(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = digits(pure)
        && digits(&country)
        && (1..=3).contains(&country.len())
        && !country.starts_with('0')
        // E.164 allows 15 digits; nobody's number has fewer than four after the code.
        && pure.len() >= 4
        && country.len() + pure.len() <= 15;
    if !well_formed || !agrees(phone_number, &country, pure) {
        return None;
    }
    Some(Phone {
        e164: format!("+{country}{pure}"),
        phone_number: phone_number.to_owned(),
        pure_phone_number: pure.to_owned(),
        country_code: country,
    })
}

/// Returns whether `phone_number` is `pure`, with or without the country code. `phoneNumber`
/// "has the area code for foreign numbers"; in which form is not documented, so any usual one
/// counts.
fn agrees(phone_number: &str, country: &str, pure: &str) -> bool {
    let bare: String =
        phone_number.chars().filter(|c| !matches!(c, ' ' | '-' | '+' | '(' | ')')).collect();
    let bare = bare.strip_prefix("00").unwrap_or(&bare);
    bare == pure || bare.strip_prefix(country) == Some(pure)
}

#[cfg(test)]
mod tests;
