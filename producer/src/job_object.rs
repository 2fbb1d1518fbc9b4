//! The job as clients see it. Its form is a contract.

use quhao_common::{
    answer::Answer,
    app::AppId,
    failure::{Failure, FailureCode},
    id::JobId,
    job::{Job, Metadata, Shape},
    outcome::{Opened, Outcome, Success},
    phone::Phone,
    store::StoredAnswer,
};
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use time::{
    OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description,
};
use utoipa::ToSchema;

use crate::openapi::{AdviceName, FailureName};

/// RFC 3339 in UTC with milliseconds.
const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(OffsetDateTime);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_offset(UtcOffset::UTC).format(FORMAT).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
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
pub(crate) struct JobObject {
    /// `job_` and 40 characters; the same submission has the same id.
    pub(crate) id: String,
    /// Where to poll. Its `expires` says until when a result can come.
    pub(crate) url: String,
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
}

/// What a job gave.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Result)]
pub(crate) enum ResultObject {
    /// A login alone, or with a phone number.
    Phone(PhoneResult),
    /// `expect` was `open_data`.
    OpenData(OpenDataResult),
}

/// The result of a login alone, or with a phone number.
#[derive(Serialize, ToSchema)]
pub(crate) struct PhoneResult {
    /// The number; null for a login alone.
    #[schema(required = true)]
    phone: Option<PhoneObject>,
    #[serde(flatten)]
    guest: Guest,
}

/// The result of a login with any object.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenDataResult {
    /// The object that was encrypted, to the letter.
    #[schema(value_type = Object)]
    open_data: Box<RawValue>,
    #[serde(flatten)]
    guest: Guest,
}

/// Whom a result is of.
#[derive(Serialize, ToSchema)]
pub(crate) struct Guest {
    /// The platform's id of the guest within the app.
    #[schema(required = true)]
    openid: Option<String>,
    /// The guest's id across the apps of one owner.
    #[schema(required = true)]
    unionid: Option<String>,
    /// Reserved for a session handle; null in this version.
    #[schema(required = true)]
    session: Option<String>,
    /// When the platform made the payload, by its watermark.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    watermark_at: Option<Timestamp>,
}

/// A phone number that the platform vouched for.
#[derive(Serialize, ToSchema)]
#[schema(as = Phone)]
pub(crate) struct PhoneObject {
    /// `+`, country code, number.
    #[schema(example = "+8613580006666")]
    e164: String,
    /// As the platform gave it.
    #[schema(example = "13580006666")]
    phone_number: String,
    /// As the platform gave it, without country code.
    #[schema(example = "13580006666")]
    pure_phone_number: String,
    /// Digits.
    #[schema(example = "86")]
    country_code: String,
}

/// Why a job failed.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(crate) struct ErrorObject {
    /// The reason, for programs.
    #[schema(value_type = FailureName)]
    code: FailureCode,
    /// The reason, for people.
    message: &'static str,
    /// What to do next.
    #[schema(value_type = AdviceName)]
    advice: quhao_common::failure::Advice,
    /// The platform's own number for it.
    #[schema(required = true)]
    platform_code: Option<i64>,
    /// The platform's request id, for its support.
    #[schema(required = true)]
    platform_rid: Option<String>,
}

impl JobObject {
    /// A job that was just accepted.
    pub(crate) fn accepted(job: &Job) -> Self {
        Self {
            app_id: Some(job.app.clone()),
            created_at: Some(Timestamp(job.created_at)),
            metadata: job.metadata.clone(),
            ..Self::queued(&job.id, job.expires_at)
        }
    }

    /// A job of which only the URL is known, and for which a result can still come.
    pub(crate) fn queued(id: &JobId, expires: OffsetDateTime) -> Self {
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
        }
    }

    /// A job of which only the URL is known, and for which no result came in time. Its
    /// shape is unknown; the advice is the one that is never wrong.
    pub(crate) fn expired(id: &JobId, expires: OffsetDateTime) -> Self {
        let failure = Failure::from(FailureCode::DeadlineExceeded);
        Self {
            status: Status::Failed,
            finished_at: Some(Timestamp(expires)),
            error: Some(ErrorObject::new(failure, Shape::WithCiphertext)),
            ..Self::queued(id, expires)
        }
    }

    /// A job with an answer.
    pub(crate) fn finished(id: &JobId, app: &AppId, stored: &StoredAnswer, answer: Answer) -> Self {
        let metadata = answer.metadata();
        let (status, result, error) = match answer.outcome {
            Outcome::Succeeded(success) => (Status::Succeeded, Some(success.into()), None),
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
}

/// Where to poll for a job. Rounded up, so that it never calls a job late too early.
pub(crate) fn url(id: &JobId, expires: OffsetDateTime) -> String {
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

impl From<Success> for ResultObject {
    fn from(success: Success) -> Self {
        let guest = Guest {
            openid: success.openid,
            unionid: success.unionid,
            session: None,
            watermark_at: success.watermark_at.map(Timestamp),
        };
        match success.opened {
            Opened::Nothing => Self::Phone(PhoneResult { phone: None, guest }),
            Opened::Phone(phone) => {
                Self::Phone(PhoneResult { phone: Some(PhoneObject::new(&phone)), guest })
            }
            Opened::OpenData(open_data) => Self::OpenData(OpenDataResult { open_data, guest }),
        }
    }
}

impl PhoneObject {
    fn new(phone: &Phone) -> Self {
        Self {
            e164: phone.e164.clone(),
            phone_number: phone.phone_number.clone(),
            pure_phone_number: phone.pure_phone_number.clone(),
            country_code: phone.country_code.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
