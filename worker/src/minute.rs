//! The minute of the wall clock, by which platforms count their quotas.

use std::time::Duration;

use time::OffsetDateTime;

/// The length of a minute.
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
/// The spread of calls after the turn of a minute, so that waiting jobs do not all call at once.
pub(crate) const MINUTE_SPREAD: Duration = Duration::from_secs(3);

/// Returns how far the wall clock is into its minute.
pub(crate) fn into_minute() -> Duration {
    let now = OffsetDateTime::now_utc();
    Duration::from_millis(u64::from(now.second()) * 1000 + u64::from(now.millisecond()))
}
