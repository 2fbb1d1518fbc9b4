//! `/v1/jobs` and `/v1/jobs/{id}`.

pub(crate) mod answer;
pub(crate) mod erase;
pub(crate) mod poll;
pub(crate) mod submit;

use axum::extract::{Path, rejection::PathRejection};
use quhao_common::{app::AppId, id::JobId};

use crate::{
    auth::Authenticated,
    problem::{Problem, ProblemCode},
};

/// The job that a path names, if it is one of the caller's, and its app.
fn named(
    caller: &Authenticated,
    path: Result<Path<String>, PathRejection>,
) -> Result<(JobId, &AppId), Problem> {
    let not_found = || Problem::from(ProblemCode::NotFound);
    let Path(text) = path.map_err(|_| not_found())?;
    let found = caller.registry.job_of(&text, &caller.client.name);
    let (id, app) = found.ok_or_else(not_found)?;
    Ok((id, &app.id))
}
