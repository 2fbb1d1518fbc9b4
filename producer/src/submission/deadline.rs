//! How long the job is worth anything.

use std::{ops::RangeInclusive, time::Duration};

use quhao_common::domain::job::{DEADLINE_SECONDS, DEADLINE_SECONDS_DEFAULT};

use crate::http::{fields::Fields, json_object::Kind, problem::FieldCode};

/// `deadline_seconds`, or the default.
pub(super) fn read(fields: &mut Fields<'_>) -> Duration {
    const RANGE: RangeInclusive<u64> = DEADLINE_SECONDS;
    let default = Duration::from_secs(DEADLINE_SECONDS_DEFAULT);
    let Some(raw) = fields.typed("deadline_seconds", Kind::Number) else { return default };
    let text = raw.get();
    let is_integer = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    if !is_integer {
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
