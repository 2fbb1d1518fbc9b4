//! The job as clients see it, in the API's answers and in callbacks. Its form is a contract.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    callback::CallbackObject,
    result::ResultObject,
    schema::{AdviceName, FailureName},
    timestamp::Timestamp,
};
use crate::domain::{
    answer::{Answer, StoredAnswer},
    app::AppId,
    callback_status::CallbackState,
    failure::{Advice, Failure, FailureCode},
    id::JobId,
    job::{Job, Metadata, Shape},
    outcome::Outcome,
    session_handle::SessionHandle,
};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A result can still come.
    Queued,
    /// Final.
    Succeeded,
    /// Final, unless a success is committed late.
    Failed,
}

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobObject {
    /// `job_` and 40 characters; the same submission has the same id.
    pub id: String,
    /// Where to poll. Its `expires` says until when a result can come.
    pub url: String,
    /// The mini-program; null where only the URL is known.
    #[schema(value_type = Option<String>, required = true)]
    app_id: Option<AppId>,
    /// Its state.
    status: Status,
    /// When it was accepted; null where only the URL is known.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    created_at: Option<Timestamp>,
    /// Its deadline.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// When its outcome was known; null while it is queued.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
    /// Its result; null unless it succeeded.
    #[schema(required = true)]
    result: Option<ResultObject>,
    /// Why it failed; null unless it did.
    #[schema(required = true)]
    error: Option<ErrorObject>,
    /// The caller's own object, byte for byte; null where there is none or only the URL is
    /// known.
    #[schema(value_type = Option<Object>, required = true)]
    metadata: Option<Metadata>,
    /// The delivery of the result's event to the `callback_url`; left out where there is none,
    /// and before the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CallbackObject, required = false)]
    callback: Option<CallbackObject>,
}

/// Why a job failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub struct ErrorObject {
    /// The reason, for programs.
    #[schema(value_type = FailureName)]
    code: FailureCode,
    /// The reason, for people.
    message: &'static str,
    /// What to do next.
    #[schema(value_type = AdviceName)]
    advice: Advice,
    /// The platform's own number for it.
    #[schema(required = true)]
    platform_code: Option<i64>,
    /// The platform's request id, for its support.
    #[schema(required = true)]
    platform_rid: Option<String>,
}

impl JobObject {
    /// Creates a job that was just accepted.
    pub fn accepted(job: &Job) -> Self {
        Self {
            app_id: Some(job.app.clone()),
            created_at: Some(Timestamp(job.created_at)),
            metadata: job.metadata.clone(),
            ..Self::queued(&job.id, job.expires_at)
        }
    }

    /// Creates a job of which only the URL is known, and for which a result can still come.
    pub fn queued(id: &JobId, expires: OffsetDateTime) -> Self {
        Self {
            id: id.wire(),
            url: url(id, expires),
            app_id: None,
            status: Status::Queued,
            created_at: None,
            expires_at: Timestamp(expires),
            finished_at: None,
            result: None,
            error: None,
            metadata: None,
            callback: None,
        }
    }

    /// Creates a job of which only the URL is known, and for which no result came in time. Its
    /// shape is unknown, so the advice is the one that is never wrong.
    pub fn expired(id: &JobId, expires: OffsetDateTime) -> Self {
        let failure = Failure::from(FailureCode::DeadlineExceeded);
        Self {
            status: Status::Failed,
            finished_at: Some(Timestamp(expires)),
            error: Some(ErrorObject::new(failure, Shape::WithCiphertext)),
            ..Self::queued(id, expires)
        }
    }

    /// Creates a job with an answer. `session` is the handle of the session of
    /// [`Answer::session_openid`].
    pub fn finished(
        id: &JobId,
        app: &AppId,
        session: Option<&SessionHandle>,
        stored: &StoredAnswer,
        answer: Answer,
    ) -> Self {
        let metadata = answer.metadata();
        let (status, result, error) = match answer.outcome {
            Outcome::Succeeded(success) => {
                let session = session.map(SessionHandle::wire);
                (Status::Succeeded, Some(ResultObject::new(success, session)), None)
            }
            Outcome::Failed(failure) => {
                (Status::Failed, None, Some(ErrorObject::new(failure, answer.shape)))
            }
        };
        Self {
            app_id: Some(app.clone()),
            status,
            created_at: Some(Timestamp(stored.created_at)),
            finished_at: Some(Timestamp(stored.finished_at)),
            result,
            error,
            metadata,
            ..Self::queued(id, stored.expires_at)
        }
    }

    /// Adds the state of its callback.
    #[must_use]
    pub fn with_callback(self, state: &CallbackState) -> Self {
        Self { callback: Some(state.into()), ..self }
    }

    /// Removes the result, which the receiver of a callback fetches with its API key.
    #[must_use]
    pub fn thin(self) -> Self {
        Self { result: None, ..self }
    }
}

/// Returns the path to poll for a job. The deadline in it is rounded up, so that a job is never
/// called late too early.
pub fn url(id: &JobId, expires: OffsetDateTime) -> String {
    let seconds = expires.unix_timestamp() + i64::from(expires.nanosecond() > 0);
    format!("/v1/jobs/{}?expires={seconds}", id.wire())
}

impl ErrorObject {
    fn new(failure: Failure, shape: Shape) -> Self {
        Self {
            code: failure.code,
            message: failure.code.message(),
            advice: failure.code.advice(shape),
            platform_code: failure.platform_code,
            platform_rid: failure.platform_rid,
        }
    }
}

#[cfg(test)]
mod tests;
