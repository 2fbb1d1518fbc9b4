//! What becomes of a job of which nothing is stored, judged by the `expires` of its URL.
//! Pure.

use std::time::Duration;

use quhao_common::domain::job::DEADLINE_SECONDS;
use time::OffsetDateTime;

use crate::http::problem::{FieldCode, FieldError};

/// How far clocks of producers may be apart before a genuine URL is taken for a forged one.
const CLOCKS_APART_MAX: Duration = Duration::from_mins(1);

/// What a missing row means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A result can still come.
    Queued,
    /// None came in time.
    Expired,
    /// If there was one, it is gone.
    Gone,
}

/// The fate of a job without a row that expires, or expired, at `expires`.
pub(crate) fn fate(
    expires: OffsetDateTime,
    now: OffsetDateTime,
    grace: Duration,
    retention: Duration,
) -> Fate {
    if now < expires + grace {
        Fate::Queued
    } else if now < expires + retention.max(grace) {
        Fate::Expired
    } else {
        Fate::Gone
    }
}

/// Reads `expires` out of a query. Other parameters do not matter.
///
/// What lies further ahead than any deadline is refused: no job has such a URL, and it
/// would read as queued for as long as its maker likes.
pub(crate) fn expires(
    query: Option<&str>,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, FieldError> {
    let error = |code, detail| FieldError::new("expires", code, detail);
    let mut values = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "expires")
        .map(|(_, value)| value);
    let Some(value) = values.next() else { return Ok(None) };
    let malformed = || {
        error(
            FieldCode::InvalidValue,
            "must stand once, in whole seconds since 1970, as in the job's url",
        )
    };
    if values.next().is_some() || value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err(malformed());
    }
    let ahead = || {
        error(
            FieldCode::OutOfRange,
            "lies further ahead than the deadline of any job; poll the job's url unchanged",
        )
    };
    let latest = now + Duration::from_secs(*DEADLINE_SECONDS.end()) + CLOCKS_APART_MAX;
    let seconds: i64 = value.parse().map_err(|_| ahead())?;
    let expires = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| ahead())?;
    if expires > latest { Err(ahead()) } else { Ok(Some(expires)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);
    const GRACE: Duration = Duration::from_secs(20);
    const RETENTION: Duration = Duration::from_hours(24);

    #[test]
    fn a_missing_row_is_queued_then_expired_then_gone() {
        let fate = |ago: i64| fate(NOW - time::Duration::seconds(ago), NOW, GRACE, RETENTION);
        assert_eq!(fate(-240), Fate::Queued);
        assert_eq!(fate(19), Fate::Queued);
        assert_eq!(fate(20), Fate::Expired);
        assert_eq!(fate(86_399), Fate::Expired);
        assert_eq!(fate(86_400), Fate::Gone);
    }

    #[test]
    fn expires_is_read_strictly() {
        let now = NOW.unix_timestamp();
        let read = |query: &str| {
            expires(Some(query), NOW)
                .map(|at| at.map(OffsetDateTime::unix_timestamp))
                .map_err(|e| e.code)
        };
        assert_eq!(expires(None, NOW), Ok(None));
        assert_eq!(read("x=1"), Ok(None));
        assert_eq!(read(&format!("a=b&expires={now}")), Ok(Some(now)));
        assert_eq!(read("expires=0"), Ok(Some(0)));
        assert_eq!(read(&format!("expires={}", now + 350)), Ok(Some(now + 350)));
        for wrong in [
            "expires",
            "expires=",
            "expires=-1",
            "expires=1.5",
            "expires=1&expires=1",
            "expires=%FF",
        ] {
            assert_eq!(read(wrong), Err(FieldCode::InvalidValue), "{wrong}");
        }
        for ahead in [format!("{}", now + 351), "9".repeat(18), "9".repeat(1000)] {
            assert_eq!(read(&format!("expires={ahead}")), Err(FieldCode::OutOfRange), "{ahead}");
        }
    }
}
