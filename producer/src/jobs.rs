//! `POST /v1/jobs` and `GET /v1/jobs/{id}`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quhao_common::{
    answer::Answer,
    app::{AppId, Client},
    envelope::{self, from_unix_ms, unix_ms},
    id::JobId,
    job::{self, Job},
    metrics,
    queue::{Parcel, PublishError},
    store::StoredAnswer,
};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    Edge,
    auth::Authenticated,
    body::AuthenticatedJson,
    fate::{self, Fate, fate},
    headers,
    job_object::{self, JobObject},
    openapi::{PollProblems, SubmitBody, SubmitProblems},
    problem::{Problem, ProblemCode},
    submission::Submission,
    wait::{Seen, Waiter},
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Submit a job
///
/// Takes a login code, alone or with what the phone button gave, and answers as soon as
/// the queue has it. The same submission again (all fields but `deadline_seconds`, and
/// the `Idempotency-Key`) is the same job.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    operation_id = "submit_job",
    tag = "jobs",
    security(("api_key" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "Part of the submission: to try the same credential once more, send a new one. Visible ASCII."),
        ("Prefer" = Option<String>, Header, example = "wait=10",
            description = "`wait=N` (RFC 7240): hold the answer until the job is finished or N seconds passed, at most 30. Malformed preferences are ignored."),
        ("traceparent" = Option<String>, Header,
            description = "W3C trace context, carried to the worker. Malformed ones are ignored."),
    ),
    request_body(content = SubmitBody, description = "At most 64 KiB. Possible are `code` alone (log in) and `code` with `encrypted_data` and `iv`."),
    responses(
        (status = 200, description = "`Prefer: wait` was met: the finished job", body = JobObject,
            headers(("Preference-Applied" = String, description = "`wait`"))),
        (status = 202, description = "The queue has the job", body = JobObject,
            headers(
                ("Location" = String, description = "Where to poll: the job's `url`"),
                ("Retry-After" = u32, description = "Seconds until polling makes sense"),
            )),
        SubmitProblems,
    ),
)]
pub(crate) async fn submit(
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    AuthenticatedJson(client, body): AuthenticatedJson,
) -> Result<Response, Problem> {
    let (job, repairs) = {
        let key = headers::idempotency_key(&headers);
        let (key, wrong) = match key {
            Ok(key) => (key, None),
            Err(wrong) => (None, Some(wrong)),
        };
        let apps = edge.directory.apps_of(&client.name);
        let submission = Submission::read(&body, apps, wrong)?;
        drop(body);
        accept(&edge, &client, submission, key, headers::traceparent(&headers))
    };
    for (field, repair) in repairs {
        metrics::repaired(field, repair);
    }

    // Before the publish, so that no answer can come in between.
    let wait = headers::prefer_wait(&headers, edge.limits.wait_max);
    let waiter =
        wait.and_then(|wait| Some((edge.waiters.register(job.id.key())?, Instant::now() + wait)));
    publish(&edge, &job).await?;
    metrics::submitted("accepted");
    // Who waits keeps what the answer needs, not code and ciphertext.
    let object = JobObject::accepted(&job);
    let Job { id, app, .. } = job;

    if let Some((waiter, until)) = waiter
        && let Seen::Answer(stored) = waiter.wait(until).await
    {
        // The job is taken, whatever became of its answer: unreadable, it is for a poll.
        match finished(&edge, &id, &app, &stored) {
            Ok(object) => return Ok(applied(&object)),
            Err(problem) => tracing::warn!(job = %id, ?problem, "an answer cannot be read"),
        }
    }
    let location = [(header::LOCATION, object.url.clone())];
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    Ok((StatusCode::ACCEPTED, location, retry, Json(object)).into_response())
}

type Repairs = Vec<(&'static str, quhao_common::repair::Repair)>;

/// Makes a job of what was asked for.
fn accept(
    edge: &Edge,
    client: &Client,
    submission: Submission,
    idempotency_key: Option<&str>,
    traceparent: Option<&str>,
) -> (Job, Repairs) {
    let Submission { app, work, metadata, deadline, repairs } = submission;
    let now = OffsetDateTime::now_utc();
    // To the millisecond, which is what queue and store keep.
    let created_at = from_unix_ms(unix_ms(now)).unwrap_or(now);
    let id = job::Submission { work: &work, metadata: metadata.as_ref(), idempotency_key }.id(
        &edge.id_keys,
        &client.name,
        &app.id,
    );
    let job = Job {
        id,
        client: client.name.clone(),
        app: app.id.clone(),
        created_at,
        expires_at: created_at + deadline,
        work,
        metadata,
        traceparent: traceparent.map(str::to_owned),
    };
    (job, repairs)
}

async fn publish(edge: &Edge, job: &Job) -> Result<(), Problem> {
    let parcel = Parcel {
        id: job.id,
        body: envelope::seal(&edge.vault, job),
        expires_at: job.expires_at,
        traceparent: job.traceparent.clone(),
    };
    edge.backend.queue.publish(parcel).await.map_err(|error| {
        let problem = match error {
            PublishError::Full => Problem::from(ProblemCode::Overloaded),
            PublishError::Unavailable => Problem::from(ProblemCode::BrokerUnavailable),
            PublishError::Unconfirmed => Problem::from(ProblemCode::Unconfirmed)
                .job(job.id.wire(), job_object::url(&job.id, job.expires_at)),
        };
        problem.because(&error)
    })
}

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
    Authenticated(client): Authenticated,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let not_found = || Problem::from(ProblemCode::NotFound);
    let Path(id) = id.map_err(|_| not_found())?;
    let apps = edge.directory.apps_of(&client.name);
    let (id, app) = edge.id_keys.verify(&id, &client.name, apps).ok_or_else(not_found)?;
    let now = OffsetDateTime::now_utc();
    let expires =
        fate::expires(query.as_deref(), now).map_err(|error| Problem::invalid(vec![error]))?;

    let wait = headers::prefer_wait(&headers, edge.limits.wait_max)
        .map(|wait| worth_waiting(&edge, expires, now, wait))
        .filter(|wait| !wait.is_zero());
    let waiter = wait.and_then(|wait| Some((edge.waiters.register(id.key())?, wait)));
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
    if let Some(stored) = row.filter(|_| !purged) {
        let object = finished(&edge, &id, &app.id, &stored)?;
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

/// The job of a stored answer. One that does not open is an operator's matter and may be
/// readable elsewhere, or here after a change of the configuration: as good as a store
/// that cannot be read.
fn finished(
    edge: &Edge,
    id: &JobId,
    app: &AppId,
    stored: &StoredAnswer,
) -> Result<JobObject, Problem> {
    Answer::open(&edge.vault, id.key(), app, &stored.answer)
        .map(|answer| JobObject::finished(id, app, stored, answer))
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))
}

/// The answer to a wait that was met.
fn applied(object: &JobObject) -> Response {
    ([(PREFERENCE_APPLIED, HeaderValue::from_static("wait"))], Json(object)).into_response()
}
