//! The job as clients see it, in the API's answers and in callbacks. Its form is a contract.

use serde::{Serialize, Serializer, ser::Error};
use time::{
    OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description,
};
use utoipa::ToSchema;

use crate::{
    api::{
        result::ResultObject,
        schema::{AdviceName, FailureName},
    },
    domain::{
        answer::{Answer, StoredAnswer},
        app::{AppId, ClientName},
        callback_status::CallbackState,
        failure::{Advice, Failure, FailureCode},
        id::{IdKeys, JobId},
        job::{Job, Metadata, Shape},
        outcome::Outcome,
    },
};

use crate::api::callback::CallbackObject;

/// RFC 3339 in UTC with milliseconds.
const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(pub OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_offset(UtcOffset::UTC).format(FORMAT).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A result can still come.
    Queued,
    /// Final.
    Succeeded,
    /// Final, but for a success that was committed late.
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
    /// How it stands.
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
    /// What it gave; null unless it succeeded.
    #[schema(required = true)]
    result: Option<ResultObject>,
    /// Why it failed; null unless it did.
    #[schema(required = true)]
    error: Option<ErrorObject>,
    /// The caller's own, to the letter; null where there is none or only the URL is known.
    #[schema(value_type = Option<Object>, required = true)]
    metadata: Option<Metadata>,
    /// How word of the result gets to the `callback_url`; left out where there is none, and
    /// before the result.
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
    /// A job that was just accepted.
    pub fn accepted(job: &Job) -> Self {
        Self {
            app_id: Some(job.app.clone()),
            created_at: Some(Timestamp(job.created_at)),
            metadata: job.metadata.clone(),
            ..Self::queued(&job.id, job.expires_at)
        }
    }

    /// A job of which only the URL is known, and for which a result can still come.
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

    /// A job of which only the URL is known, and for which no result came in time. Its
    /// shape is unknown; the advice is the one that is never wrong.
    pub fn expired(id: &JobId, expires: OffsetDateTime) -> Self {
        let failure = Failure::from(FailureCode::DeadlineExceeded);
        Self {
            status: Status::Failed,
            finished_at: Some(Timestamp(expires)),
            error: Some(ErrorObject::new(failure, Shape::WithCiphertext)),
            ..Self::queued(id, expires)
        }
    }

    /// A job with an answer. `ids` make the handle of the guest's session.
    pub fn finished(
        ids: &IdKeys,
        id: &JobId,
        (client, app): (&ClientName, &AppId),
        stored: &StoredAnswer,
        answer: Answer,
    ) -> Self {
        let metadata = answer.metadata();
        let (status, result, error) = match answer.outcome {
            Outcome::Succeeded(success) => {
                // The platform gives no session for a phone code.
                let guest = success.openid.as_deref().filter(|_| answer.shape != Shape::PhoneCode);
                let session = guest.map(|openid| ids.session_handle(client, app, openid).wire());
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

    /// The same with the state of its callback.
    #[must_use]
    pub fn with_callback(self, state: &CallbackState) -> Self {
        Self { callback: Some(state.into()), ..self }
    }

    /// The same without what it gave, which the receiver of a callback fetches with its
    /// key.
    #[must_use]
    pub fn thin(self) -> Self {
        Self { result: None, ..self }
    }
}

/// Where to poll for a job. Rounded up, so that it never calls a job late too early.
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
