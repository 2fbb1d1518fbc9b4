//! Times as whole milliseconds.

use time::OffsetDateTime;

/// Milliseconds since 1970, which is the precision of every time that quhao keeps.
pub fn unix_ms(at: OffsetDateTime) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "holds for 292 million years")]
    let ms = (at.unix_timestamp_nanos() / 1_000_000) as i64;
    ms
}

/// The inverse of [`unix_ms`]; `None` outside the calendar.
pub fn from_unix_ms(ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok()
}
