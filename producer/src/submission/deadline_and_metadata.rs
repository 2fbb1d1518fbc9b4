//! The fields of a submission that do not say what to do: its deadline and its metadata.

use std::{ops::RangeInclusive, time::Duration};

use quhao_common::domain::job::{
    DEADLINE_SECONDS, DEADLINE_SECONDS_DEFAULT, METADATA_BYTES_MAX, Metadata,
};

use crate::http::{fields::Fields, json_object::JsonKind, problem::FieldCode};

/// Reads `deadline_seconds`, or returns the default.
pub(super) fn deadline(fields: &mut Fields<'_>) -> Duration {
    const RANGE: RangeInclusive<u64> = DEADLINE_SECONDS;
    let default = Duration::from_secs(DEADLINE_SECONDS_DEFAULT);
    let Some(raw) = fields.take("deadline_seconds", JsonKind::Number) else { return default };
    let text = raw.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        fields.refuse("deadline_seconds", FieldCode::WrongType, "must be a whole number");
        return default;
    }
    match text.parse() {
        Ok(seconds) if RANGE.contains(&seconds) => Duration::from_secs(seconds),
        _ => {
            let detail = format!("must be from {} to {}", RANGE.start(), RANGE.end());
            fields.refuse("deadline_seconds", FieldCode::OutOfRange, detail);
            default
        }
    }
}

/// Reads `metadata`, if it is there.
pub(super) fn metadata(fields: &mut Fields<'_>) -> Option<Metadata> {
    let raw = fields.take("metadata", JsonKind::Object)?;
    if raw.get().len() > METADATA_BYTES_MAX {
        let detail = format!("is longer than {METADATA_BYTES_MAX} bytes of JSON text");
        fields.refuse("metadata", FieldCode::TooLong, detail);
        return None;
    }
    // It is returned exactly as sent, so it must be something that parsers can read: not
    // hundreds of levels deep, no half surrogates, no numbers beyond a double.
    if serde_json::from_str::<serde_json::Value>(raw.get()).is_err() {
        let detail = "is nested too deep, or has a string or number that JSON parsers refuse";
        fields.refuse("metadata", FieldCode::InvalidValue, detail);
        return None;
    }
    Some(Metadata::new(raw.to_owned()))
}
