//! `POST /v1/jobs`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quhao_backend::queue::{Message, MessageKind, PublishError};
use quhao_common::{
    api::{self, job::JobObject},
    domain::{
        answer::StoredAnswer,
        job::{IdInput, Job},
    },
    envelope,
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    answer::{finished, preference_applied},
    job_url::JobRef,
};
use crate::{
    http::{
        auth::Authenticated,
        body::JsonWithinRate,
        headers,
        problem::{LoggedProblem, Problem, ProblemCode},
        problem_responses::problem_responses,
    },
    state::AppState,
    submission::{Submission, SubmissionContext, submit_body::SubmitBody},
    wait::{Lookup, WaitFor},
};

problem_responses! {
    /// Problems that a submission can be answered with.
    SubmitProblems:
        MalformedJson, IncompleteBody, Unauthorized, NotFound, RequestTimeout, Gone, BodyTooLarge,
        UnsupportedMediaType, InvalidRequest, RateLimited, Overloaded, WouldExpire,
        BrokerUnavailable, Unconfirmed
}

/// Submits a job
///
/// Takes what a mini-program has of a guest and answers as soon as the queue has it. The
/// same submission again (all fields but `deadline_seconds`, and the `Idempotency-Key`) is
/// the same job.
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
    request_body(content = SubmitBody, description = "At most 64 KiB. Possible are `code` alone (log in); `code` with `encrypted_data` and `iv`; `session` with `encrypted_data` and `iv`; `phone_code`, with or without `openid`. Nothing else goes together, and unknown fields are refused."),
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
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
    JsonWithinRate { caller, body }: JsonWithinRate,
) -> Result<Response, Problem> {
    let job = read_job(&state, &caller, &headers, &body)?;
    // The job has what is needed of it, and the request may wait for long.
    drop(body);

    // Even if an identical job has an answer already: the store is not asked here.
    state
        .admission
        .admit((job.expires_at - job.created_at).unsigned_abs())
        .map_err(|retry_after| Problem::from(ProblemCode::WouldExpire).retry_after(retry_after))?;

    // Before the publish, so that no answer can come in between.
    let wait = headers::prefer_wait(&headers, state.limits.wait_max);
    let waiter = wait.and_then(|wait| {
        let waiter = state.waiters.register(WaitFor {
            client: &caller.client.name,
            is_only_client: caller.is_only_client(),
            key: job.id.key(),
            deadline: Some(job.expires_at),
        })?;
        Some((waiter, Instant::now() + wait))
    });
    publish(&state, &caller.registry, &job).await?;
    state.admission.count_accepted();
    metrics::submit_accepted();
    // A request that waits keeps what the answer needs, not code and ciphertext.
    let object = JobObject::accepted(&job);
    let Job { id, app, .. } = job;

    if let Some((waiter, until)) = waiter
        && let Lookup::Answer(stored) = waiter.wait(until).await
    {
        let job = JobRef { id: &id, app: &app };
        // Boxed, so that no waiting request holds room for it.
        let answered = Box::pin(respond_with_answer(&state, &caller, job, &stored)).await;
        if let Some(response) = answered {
            return Ok(response);
        }
    }
    let location = [(header::LOCATION, object.url.clone())];
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    Ok((StatusCode::ACCEPTED, location, retry, Json(object)).into_response())
}

/// Reads headers and body of a submission and makes it a job. Counts what was repaired.
fn read_job(
    state: &AppState,
    caller: &Authenticated,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Job, Problem> {
    let (idempotency_key, header_error) = match headers::idempotency_key(headers) {
        Ok(key) => (key, None),
        Err(error) => (None, Some(error)),
    };
    let allows_plain_http = state.limits.allows_plain_http_callbacks;
    let context = SubmissionContext { caller, allows_plain_http, header_error };
    let submission = Submission::read(body, context)?;
    for repaired in &submission.repairs {
        metrics::repaired(repaired.field, repaired.repair);
    }
    Ok(new_job(caller, submission, idempotency_key, headers::traceparent(headers)))
}

/// Creates the job of a submission, accepted now.
fn new_job(
    caller: &Authenticated,
    submission: Submission,
    idempotency_key: Option<&str>,
    traceparent: Option<&str>,
) -> Job {
    let Submission { app, work, metadata, callback_url, deadline, repairs: _ } = submission;
    // Milliseconds are what queue and store keep.
    let created_at = OffsetDateTime::now_utc().truncate_to_millisecond();
    let id_input = IdInput {
        work: &work,
        metadata: metadata.as_ref(),
        callback_url: callback_url.as_ref(),
        idempotency_key,
    };
    let id = caller.registry.job_id(&id_input, &caller.client.name, &app.id);
    Job {
        id,
        client: caller.client.name.clone(),
        app: app.id.clone(),
        created_at,
        expires_at: created_at + deadline,
        work,
        metadata,
        callback_url,
        traceparent: traceparent.map(str::to_owned),
    }
}

/// Seals the job and publishes it.
async fn publish(state: &AppState, registry: &Registry, job: &Job) -> Result<(), Problem> {
    let message = Message {
        id: job.id,
        body: envelope::job::seal(&registry.vault, job),
        kind: MessageKind::Job { expires_at: job.expires_at, traceparent: job.traceparent.clone() },
    };
    state.backend.queue.publish(message).await.map_err(|error| {
        let problem = match error {
            PublishError::Full => Problem::from(ProblemCode::Overloaded),
            PublishError::Unavailable => Problem::from(ProblemCode::BrokerUnavailable),
            PublishError::Unconfirmed => Problem::from(ProblemCode::Unconfirmed)
                .job(job.id.wire(), api::job::url(&job.id, job.expires_at)),
        };
        problem.because(&error)
    })
}

/// Returns the response to a submission whose wait brought the answer; nothing if the answer
/// cannot be read.
async fn respond_with_answer(
    state: &AppState,
    caller: &Authenticated,
    job: JobRef<'_>,
    stored: &StoredAnswer,
) -> Option<Response> {
    match finished(state, caller, job, stored).await {
        Ok(object) => Some(preference_applied(&object)),
        Err(problem) if problem.code() == ProblemCode::Gone => {
            let mut response = problem.into_response();
            // The submission has been counted as accepted; the access log would count it as
            // gone, too.
            response.extensions_mut().remove::<LoggedProblem>();
            Some(response)
        }
        // The job was accepted, whatever became of its answer: an unreadable one is left to
        // a poll.
        Err(problem) => {
            tracing::warn!(
                job = %job.id, ?problem,
                "the stored answer cannot be read; the submission was answered as queued"
            );
            None
        }
    }
}
