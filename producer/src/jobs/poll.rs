//! `GET /v1/jobs/{id}`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use quhao_common::{
    api::job::JobObject,
    domain::{answer::StoredAnswer, id::JobId},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    Named,
    answer::{applied, finished},
};
use crate::{
    Edge,
    http::{
        auth::Authenticated,
        headers,
        problem::{Problem, ProblemCode},
    },
    jobs::missing_row::{Fate, fate},
    openapi::problems::PollProblems,
    wait::{Seen, Waiter},
};

/// Ask for a job
///
/// Poll the `url` that came with the job: its `expires` says until when a result can
/// come, and without a result decides between queued, failed and gone.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    operation_id = "get_job",
    tag = "jobs",
    security(("api_key" = [])),
    params(
        ("id" = String, Path, pattern = "^job_[0-9a-hjkmnp-tv-z]{40}$", description = "The job's id"),
        ("expires" = Option<i64>, Query, minimum = 0,
            description = "As in the job's `url`: seconds since 1970. Refused when further ahead than any deadline can be."),
        ("Prefer" = Option<String>, Header, example = "wait=10",
            description = "`wait=N` (RFC 7240): hold the answer until the job is finished or N seconds passed, at most 30. Malformed preferences are ignored."),
    ),
    responses(
        (status = 200, description = "The job, finished or not", body = JobObject,
            headers(("Preference-Applied" = String, description = "`wait`, when `Prefer: wait` was met"))),
        PollProblems,
    ),
)]
pub(crate) async fn poll(
    State(edge): State<Arc<Edge>>,
    caller: Authenticated,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = OffsetDateTime::now_utc();
    let Named { id, app, expires } = super::named(&caller, id, query.as_deref(), now)?;

    let wait = headers::prefer_wait(&headers, edge.limits.wait_max)
        .map(|wait| worth_waiting(&edge, expires, now, wait))
        .filter(|wait| !wait.is_zero());
    // URLs round up: this is the earliest deadline that it may stand for.
    let deadline = expires.map(|at| at - Duration::from_secs(1));
    let waiter =
        wait.and_then(|wait| Some((edge.waiters.register(&caller, id.key(), deadline)?, wait)));
    let (row, in_time) = match waiter {
        Some((waiter, wait)) => (look_waiting(&edge, &id, waiter, wait).await?, true),
        None => (look(&edge, &id).await?, false),
    };
    let now = OffsetDateTime::now_utc();
    // What a waiter knows may be seconds old; a failure is told only of what is so now.
    let too_late = expires.is_some_and(|at| now > at + edge.limits.grace);
    let row = match row {
        None if in_time && too_late => look(&edge, &id).await?,
        row => row,
    };
    let purged = row.as_ref().is_some_and(|row| row.purge_at <= now);
    // That an earlier copy came too late is no answer as long as this one's can come.
    let outlived = |row: &StoredAnswer| {
        !too_late && deadline.is_some_and(|deadline| !row.validity.covers(deadline))
    };
    if let Some(stored) = row.filter(|row| !purged && !outlived(row)) {
        let object = finished(&edge, &caller, (&id, app), &stored).await?;
        return Ok(if in_time { applied(&object) } else { Json(object).into_response() });
    }
    let Some(expires) = expires else {
        return Err(if purged { ProblemCode::Gone } else { ProblemCode::NoResult }.into());
    };
    match fate(expires, now, edge.limits.grace, edge.limits.retention) {
        Fate::Queued => Ok(Json(JobObject::queued(&id, expires)).into_response()),
        Fate::Expired => Ok(Json(JobObject::expired(&id, expires)).into_response()),
        Fate::Gone => Err(ProblemCode::Gone.into()),
    }
}

/// How much of `wait` can bring a result: none can come after the grace.
fn worth_waiting(
    edge: &Edge,
    expires: Option<OffsetDateTime>,
    now: OffsetDateTime,
    wait: Duration,
) -> Duration {
    expires.map_or(wait, |expires| {
        let left = expires + edge.limits.grace - now;
        wait.min(left.try_into().unwrap_or(Duration::ZERO))
    })
}

async fn look(edge: &Edge, id: &JobId) -> Result<Option<StoredAnswer>, Problem> {
    match edge.backend.store.answers(&[id.key()]).await {
        Ok(answers) => Ok(answers.into_iter().next()),
        Err(error) => Err(Problem::from(ProblemCode::StoreUnavailable).because(&error)),
    }
}

async fn look_waiting(
    edge: &Edge,
    id: &JobId,
    waiter: Waiter,
    wait: Duration,
) -> Result<Option<StoredAnswer>, Problem> {
    match waiter.wait(Instant::now() + wait).await {
        Seen::Answer(stored) => Ok(Some(StoredAnswer::clone(&stored))),
        Seen::Nothing => Ok(None),
        Seen::Unreadable => Err(ProblemCode::StoreUnavailable.into()),
        // Woken before the first query: this process is about to end.
        Seen::NotYet => look(edge, id).await,
    }
}
