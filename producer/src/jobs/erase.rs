//! `DELETE /v1/jobs/{id}`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::StatusCode,
};
use quhao_backend::store::Tombstone;
use quhao_common::domain::job::DEADLINE_SECONDS;
use time::OffsetDateTime;

use super::Named;
use crate::{
    Edge, Limits,
    http::problem::{Problem, ProblemCode},
    openapi::problems::EraseJobProblems,
    rate_limit::Rated,
};

/// Erase a job
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
    responses((status = 204, description = "Nothing of it is left"), EraseJobProblems),
)]
pub(crate) async fn erase(
    State(edge): State<Arc<Edge>>,
    Rated(caller): Rated,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, Problem> {
    let now = OffsetDateTime::now_utc();
    let Named { id, app, expires } = super::named(&caller, id, query.as_deref(), now)?;
    let tombstone = Tombstone {
        key: id.key(),
        client: caller.client.name.clone(),
        app: app.clone(),
        erased_at: now,
        purge_at: purge_at(expires, now, &edge.limits),
    };
    match edge.backend.store.erase_job(&tombstone).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(Problem::from(ProblemCode::StoreUnavailable).because(&error)),
    }
}

/// Until when a tombstone without a row of its own is kept: for as long as the answer would
/// have been, so that whoever polls reads "gone" all that time. `expires` is what a client
/// says; one in the past must not let a late outcome in.
fn purge_at(
    expires: Option<OffsetDateTime>,
    now: OffsetDateTime,
    limits: &Limits,
) -> OffsetDateTime {
    let latest = now + Duration::from_secs(*DEADLINE_SECONDS.end());
    expires.unwrap_or(latest).max(now) + limits.retention + limits.grace
}
