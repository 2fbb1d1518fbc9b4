//! Times as whole milliseconds.

use time::OffsetDateTime;

/// Returns the milliseconds since 1970, the precision of every time that quhao keeps.
pub fn unix_ms(at: OffsetDateTime) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "holds for 292 million years")]
    let ms = (at.unix_timestamp_nanos() / 1_000_000) as i64;
    ms
}

/// Reads what [`unix_ms`] returned; `None` outside the calendar.
pub fn from_unix_ms(ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
}
