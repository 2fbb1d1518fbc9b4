//! `DELETE /v1/jobs/{id}`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::StatusCode,
};
use quhao_backend::store::Tombstone;
use quhao_common::domain::job::DEADLINE_SECONDS;
use time::OffsetDateTime;

use super::job_url::JobUrl;
use crate::{
    http::{
        problem::{Problem, ProblemCode},
        problem_responses::problem_responses,
        rate::WithinRate,
    },
    state::{AppState, Limits},
};

problem_responses! {
    /// Problems that the erasure of a job can be answered with.
    EraseJobProblems: Unauthorized, NotFound, InvalidRequest, RateLimited, StoreUnavailable
}

/// Erases a job
///
/// Erases its result, and its callback if none was sent yet. A job without a result is kept
/// from leaving one; the same submission stays erased. Answers the same when there was
/// nothing to erase.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{id}",
    operation_id = "erase_job",
    tag = "erasure",
    security(("api_key" = [])),
    params(
        ("id" = String, Path, pattern = "^job_[0-9a-hjkmnp-tv-z]{40}$", description = "The job's id"),
        ("expires" = Option<i64>, Query, minimum = 0,
            description = "As in the job's `url`: seconds since 1970. Refused when further ahead than any deadline can be."),
    ),
    responses((status = 204, description = "Nothing of the job is left"), EraseJobProblems),
)]
pub(crate) async fn erase(
    State(state): State<Arc<AppState>>,
    WithinRate(caller): WithinRate,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let now = OffsetDateTime::now_utc();
    let JobUrl { id, app, expires } = JobUrl::read(&caller, id, query.as_deref(), now)?;
    let tombstone = Tombstone {
        key: id.key(),
        client: caller.client.name.clone(),
        app: app.clone(),
        erased_at: now,
        purge_at: purge_at(expires, now, &state.limits),
    };
    match state.backend.store.erase_job(&tombstone).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(Problem::from(ProblemCode::StoreUnavailable).because(&error)),
    }
}

/// Returns until when a tombstone is kept for a job without a row: for as long as the answer
/// would have been, so that every poll in that time reads "gone".
///
/// `expires` is what the client says. One in the past must not let a late outcome in, so it
/// counts from `now` at least.
fn purge_at(
    expires: Option<OffsetDateTime>,
    now: OffsetDateTime,
    limits: &Limits,
) -> OffsetDateTime {
    let latest_deadline = now + Duration::from_secs(*DEADLINE_SECONDS.end());
    expires.unwrap_or(latest_deadline).max(now) + limits.retention + limits.grace
}
