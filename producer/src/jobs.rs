//! `/v1/jobs` and `/v1/jobs/{id}`.

pub(crate) mod answer;
pub(crate) mod erase;
pub(crate) mod missing_row;
pub(crate) mod poll;
pub(crate) mod submit;

use axum::extract::{Path, rejection::PathRejection};
use quhao_common::domain::{app::AppId, id::JobId};
use time::OffsetDateTime;

use crate::http::{
    auth::Authenticated,
    problem::{Problem, ProblemCode},
};

/// What a job's URL says.
struct Named<'a> {
    id: JobId,
    app: &'a AppId,
    /// Until when a result can come, if it says so.
    expires: Option<OffsetDateTime>,
}

/// Reads a job's URL at the time `now`, if the job is one of the caller's.
fn named<'a>(
    caller: &'a Authenticated,
    path: Result<Path<String>, PathRejection>,
    query: Option<&str>,
    now: OffsetDateTime,
) -> Result<Named<'a>, Problem> {
    let not_found = || Problem::from(ProblemCode::NotFound);
    let Path(text) = path.map_err(|_| not_found())?;
    let found = caller.registry.job_of(&text, &caller.client.name);
    let (id, app) = found.ok_or_else(not_found)?;
    let expires =
        missing_row::expires(query, now).map_err(|error| Problem::invalid(vec![error]))?;
    Ok(Named { id, app: &app.id, expires })
}
