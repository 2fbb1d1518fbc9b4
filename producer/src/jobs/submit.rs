//! `POST /v1/jobs`.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use quhao_backend::queue::{Message, PublishError};
use quhao_common::{
    api::{self, job::JobObject},
    domain::{
        answer::StoredAnswer,
        app::AppId,
        id::JobId,
        job::{self, Job},
    },
    envelope,
    process::{metrics, registry::Registry},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::answer::{applied, finished};
use crate::{
    Edge,
    http::{
        auth::Authenticated,
        body::RatedJson,
        headers,
        problem::{Logged, Problem, ProblemCode},
    },
    openapi::{problems::SubmitProblems, submission::SubmitBody},
    submission::{Repairs, Submission},
    wait::Seen,
};

/// Submit a job
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
    State(edge): State<Arc<Edge>>,
    headers: HeaderMap,
    RatedJson(caller, body): RatedJson,
) -> Result<Response, Problem> {
    let (job, repairs) = {
        let (key, wrong) = match headers::idempotency_key(&headers) {
            Ok(key) => (key, None),
            Err(wrong) => (None, Some(wrong)),
        };
        let plain_http = edge.limits.callbacks_plain_http;
        let submission = Submission::read(&body, &caller, plain_http, wrong)?;
        drop(body);
        accept(&caller, submission, key, headers::traceparent(&headers))
    };
    for (field, repair) in repairs {
        metrics::repaired(field, repair.as_str());
    }

    // A copy of a job that has an answer may be among those: nobody asks the store here.
    edge.admission.judge((job.expires_at - job.created_at).unsigned_abs())?;

    // Before the publish, so that no answer can come in between.
    let wait = headers::prefer_wait(&headers, edge.limits.wait_max);
    let waiter = wait.and_then(|wait| {
        let waiter = edge.waiters.register(&caller, job.id.key(), Some(job.expires_at))?;
        Some((waiter, Instant::now() + wait))
    });
    publish(&edge, &caller.registry, &job).await?;
    edge.admission.accepted();
    metrics::submitted("accepted");
    // Who waits keeps what the answer needs, not code and ciphertext.
    let object = JobObject::accepted(&job);
    let Job { id, app, .. } = job;

    if let Some((waiter, until)) = waiter
        && let Seen::Answer(stored) = waiter.wait(until).await
        // Boxed: whoever waits, and whoever does not, carries no room for it.
        && let Some(response) = Box::pin(answered(&edge, &caller, (&id, &app), &stored)).await
    {
        return Ok(response);
    }
    let location = [(header::LOCATION, object.url.clone())];
    let retry = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
    Ok((StatusCode::ACCEPTED, location, retry, Json(object)).into_response())
}

/// What a request that waited is told of its job's answer; nothing if it cannot be read.
async fn answered(
    edge: &Edge,
    caller: &Authenticated,
    (id, app): (&JobId, &AppId),
    stored: &StoredAnswer,
) -> Option<Response> {
    match finished(edge, caller, (id, app), stored).await {
        Ok(object) => Some(applied(&object)),
        Err(problem) if problem.code() == ProblemCode::Gone => Some(told(problem)),
        // The job is taken, whatever became of its answer: unreadable, it is for a poll.
        Err(problem) => {
            tracing::warn!(job = %id, ?problem, "an answer cannot be read");
            None
        }
    }
}

/// The answer to a submission that counts as accepted already.
fn told(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.extensions_mut().remove::<Logged>();
    response
}

/// Makes a job of what was asked for.
fn accept(
    caller: &Authenticated,
    submission: Submission,
    idempotency_key: Option<&str>,
    traceparent: Option<&str>,
) -> (Job, Repairs) {
    let Submission { app, work, metadata, callback_url, deadline, repairs } = submission;
    // Which is what queue and store keep.
    let created_at = OffsetDateTime::now_utc().truncate_to_millisecond();
    let submission = job::Submission {
        work: &work,
        metadata: metadata.as_ref(),
        callback_url: callback_url.as_ref(),
        idempotency_key,
    };
    let id = submission.id(&caller.registry.id_keys, &caller.client.name, &app.id);
    let job = Job {
        id,
        client: caller.client.name.clone(),
        app: app.id.clone(),
        created_at,
        expires_at: created_at + deadline,
        work,
        metadata,
        callback_url,
        traceparent: traceparent.map(str::to_owned),
    };
    (job, repairs)
}

async fn publish(edge: &Edge, registry: &Registry, job: &Job) -> Result<(), Problem> {
    let message = Message {
        id: job.id,
        body: envelope::job::seal(&registry.vault, job),
        expires_at: job.expires_at,
        traceparent: job.traceparent.clone(),
    };
    edge.backend.queue.publish(message).await.map_err(|error| {
        let problem = match error {
            PublishError::Full => Problem::from(ProblemCode::Overloaded),
            PublishError::Unavailable => Problem::from(ProblemCode::BrokerUnavailable),
            PublishError::Unconfirmed => Problem::from(ProblemCode::Unconfirmed)
                .job(job.id.wire(), api::job::url(&job.id, job.expires_at)),
        };
        problem.because(&error)
    })
}
