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
    domain::{answer::StoredAnswer, id::JobKey},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    answer::{finished, preference_applied},
    job_url::JobUrl,
    missing_row::{AfterDeadline, MissingRow},
};
use crate::{
    http::{
        auth::Authenticated,
        headers,
        problem::{Problem, ProblemCode},
        problem_responses::problem_responses,
    },
    state::{AppState, Limits},
    wait::{Lookup, WaitFor, Waiter},
};

problem_responses! {
    /// Problems that a poll can be answered with.
    PollProblems: Unauthorized, NotFound, NoResult, Gone, InvalidRequest, StoreUnavailable
}

/// Returns a job
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
    State(state): State<Arc<AppState>>,
    caller: Authenticated,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = OffsetDateTime::now_utc();
    let url = JobUrl::read(&caller, id, query.as_deref(), now)?;
    let key = url.id.key();

    let waiting = headers::prefer_wait(&headers, state.limits.wait_max)
        .map(|wait| wait.min(time_for_result(&url, now, &state.limits)))
        .and_then(|wait| WaitingPoll::begin(&state, &caller, &url, wait));
    let has_waited = waiting.is_some();
    let row = match waiting {
        Some(waiting) => waiting.answer(&state, key).await?,
        None => read_answer(&state, key).await?,
    };

    let now = OffsetDateTime::now_utc();
    let is_past_grace = url.expires.is_some_and(|at| now > at + state.limits.grace);
    let row = match row {
        // What a waiter knows may be seconds old. That the job failed is said only if there
        // is no result now.
        None if has_waited && is_past_grace => read_answer(&state, key).await?,
        row => row,
    };
    let is_purged = row.as_ref().is_some_and(|row| row.purge_at <= now);
    let is_answer = |row: &StoredAnswer| {
        // That an earlier copy of the job was too late is no answer while a result of this
        // one can come.
        let holds = url.earliest_deadline().is_none_or(|deadline| row.validity.covers(deadline));
        !is_purged && (holds || is_past_grace)
    };
    if let Some(stored) = row.filter(is_answer) {
        let object = finished(&state, &caller, url.job(), &stored).await?;
        return Ok(if has_waited {
            preference_applied(&object)
        } else {
            Json(object).into_response()
        });
    }
    let Some(expires) = url.expires else {
        return Err(if is_purged { ProblemCode::Gone } else { ProblemCode::NoResult }.into());
    };
    let Limits { grace, retention, .. } = state.limits;
    match MissingRow::of(expires, now, AfterDeadline { grace, retention }) {
        MissingRow::Queued => Ok(Json(JobObject::queued(&url.id, expires)).into_response()),
        MissingRow::Expired => Ok(Json(JobObject::expired(&url.id, expires)).into_response()),
        MissingRow::Gone => Err(ProblemCode::Gone.into()),
    }
}

/// Returns how long from `now` a result can come: until the grace is over, or without a limit
/// if the URL has no deadline.
fn time_for_result(url: &JobUrl<'_>, now: OffsetDateTime, limits: &Limits) -> Duration {
    let Some(expires) = url.expires else { return Duration::MAX };
    (expires + limits.grace - now).try_into().unwrap_or(Duration::ZERO)
}

/// Reads the answer from the store.
async fn read_answer(state: &AppState, key: JobKey) -> Result<Option<StoredAnswer>, Problem> {
    match state.backend.store.answers(&[key]).await {
        Ok(answers) => Ok(answers.into_iter().next()),
        Err(error) => Err(Problem::from(ProblemCode::StoreUnavailable).because(&error)),
    }
}

/// A poll that waits for its result.
struct WaitingPoll {
    waiter: Waiter,
    wait: Duration,
}

impl WaitingPoll {
    /// Begins to wait, unless `wait` is zero or too many requests wait already.
    fn begin(
        state: &AppState,
        caller: &Authenticated,
        url: &JobUrl<'_>,
        wait: Duration,
    ) -> Option<Self> {
        if wait.is_zero() {
            return None;
        }
        let waiter = state.waiters.register(WaitFor {
            client: &caller.client.name,
            is_only_client: caller.is_only_client(),
            key: url.id.key(),
            deadline: url.earliest_deadline(),
        })?;
        Some(Self { waiter, wait })
    }

    /// Waits for the answer and returns it, if there is one by then.
    async fn answer(self, state: &AppState, key: JobKey) -> Result<Option<StoredAnswer>, Problem> {
        match self.waiter.wait(Instant::now() + self.wait).await {
            Lookup::Answer(stored) => Ok(Some(StoredAnswer::clone(&stored))),
            Lookup::NoAnswer => Ok(None),
            Lookup::Unreadable => Err(ProblemCode::StoreUnavailable.into()),
            // Woken before the first query: this process is about to end.
            Lookup::NotAsked => read_answer(state, key).await,
        }
    }
}
