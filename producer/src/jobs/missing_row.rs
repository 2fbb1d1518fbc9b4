//! What it means that nothing is stored of a job, judged by the `expires` of its URL. Pure.

use std::time::Duration;

use time::OffsetDateTime;

/// The meaning of a missing row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingRow {
    /// A result can still come.
    Queued,
    /// No result came in time.
    Expired,
    /// Whatever was stored is past its retention.
    Gone,
}

/// The times after a job's deadline that decide.
#[derive(Debug, Clone, Copy)]
pub(super) struct AfterDeadline {
    /// For how long an outcome may still arrive.
    pub(super) grace: Duration,
    /// For how long answers are kept.
    pub(super) retention: Duration,
}

impl MissingRow {
    /// Returns what a missing row of a job with the deadline `expires` means at `now`.
    pub(super) fn of(expires: OffsetDateTime, now: OffsetDateTime, after: AfterDeadline) -> Self {
        let AfterDeadline { grace, retention } = after;
        if now < expires + grace {
            Self::Queued
        } else if now < expires + retention.max(grace) {
            Self::Expired
        } else {
            Self::Gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

    #[test]
    fn missing_row_is_queued_then_expired_then_gone() {
        let after =
            AfterDeadline { grace: Duration::from_secs(20), retention: Duration::from_hours(24) };
        let missing = |seconds_ago: i64| {
            MissingRow::of(NOW - time::Duration::seconds(seconds_ago), NOW, after)
        };
        assert_eq!(missing(-240), MissingRow::Queued);
        assert_eq!(missing(19), MissingRow::Queued);
        assert_eq!(missing(20), MissingRow::Expired);
        assert_eq!(missing(86_399), MissingRow::Expired);
        assert_eq!(missing(86_400), MissingRow::Gone);
    }
}
