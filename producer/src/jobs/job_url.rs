//! The URL of a job: its id, and `expires`, the deadline that its client was given. Pure.

use std::time::Duration;

use axum::extract::{Path, rejection::PathRejection};
use quhao_common::domain::{app::AppId, id::JobId, job::DEADLINE_SECONDS};
use time::OffsetDateTime;

use crate::http::{
    auth::Authenticated,
    problem::{FieldCode, FieldError, Problem, ProblemCode},
};

/// How far clocks of producers may be apart before a genuine URL is taken for a forged one.
const CLOCK_SKEW_MAX: Duration = Duration::from_mins(1);

/// A job of the caller's.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobRef<'a> {
    pub(super) id: &'a JobId,
    pub(super) app: &'a AppId,
}

/// A job of the caller's, as a URL names it.
#[derive(Debug)]
pub(super) struct JobUrl<'a> {
    pub(super) id: JobId,
    pub(super) app: &'a AppId,
    /// The job's deadline, rounded up to a whole second, if the URL has it.
    pub(super) expires: Option<OffsetDateTime>,
}

impl<'a> JobUrl<'a> {
    /// Reads a job's URL at the time `now`. A job that is not the caller's is not found.
    pub(super) fn read(
        caller: &'a Authenticated,
        path: Result<Path<String>, PathRejection>,
        query: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Self, Problem> {
        let not_found = || Problem::from(ProblemCode::NotFound);
        let Path(text) = path.map_err(|_| not_found())?;
        let job = caller.registry.verify(&text, &caller.client.name);
        let (id, app) = job.ok_or_else(not_found)?;
        let expires = expires(query, now).map_err(|error| Problem::invalid(vec![error]))?;
        Ok(Self { id, app: &app.id, expires })
    }

    /// Returns the earliest deadline that `expires` may stand for: URLs round up.
    pub(super) fn earliest_deadline(&self) -> Option<OffsetDateTime> {
        self.expires.map(|at| at - Duration::from_secs(1))
    }

    /// Returns the job alone.
    pub(super) fn job(&self) -> JobRef<'_> {
        JobRef { id: &self.id, app: self.app }
    }
}

/// Reads `expires` from a query. Other parameters do not matter.
///
/// A time further ahead than any deadline is refused: no job has such a URL, and it would
/// read as queued for as long as its maker likes.
fn expires(query: Option<&str>, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, FieldError> {
    let mut values = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "expires")
        .map(|(_, value)| value);
    let Some(value) = values.next() else { return Ok(None) };
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if values.next().is_some() || !is_number {
        return Err(FieldError::new(
            "expires",
            FieldCode::InvalidValue,
            "must stand once, in whole seconds since 1970, as in the job's url",
        ));
    }
    let too_far_ahead = || {
        FieldError::new(
            "expires",
            FieldCode::OutOfRange,
            "lies further ahead than the deadline of any job; poll the job's url unchanged",
        )
    };
    let seconds: i64 = value.parse().map_err(|_| too_far_ahead())?;
    let expires = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| too_far_ahead())?;
    let latest = now + Duration::from_secs(*DEADLINE_SECONDS.end()) + CLOCK_SKEW_MAX;
    if expires > latest {
        return Err(too_far_ahead());
    }
    Ok(Some(expires))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

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
