//! What a client gets when a request is not carried out: RFC 9457, always.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use quhao_common::process::error_chain::with_causes;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use crate::http::problem_code::{FieldCode, ProblemCode};

/// The media type of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// Most errors that one problem lists.
const ERRORS_MAX: usize = 32;
/// Longest name of a field that a problem repeats, in characters.
const FIELD_CHARS_MAX: usize = 64;

/// What is wrong with one field or header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The field of the body, the query parameter or the header; empty for the body as a
    /// whole.
    #[schema(value_type = String)]
    pub(crate) field: Cow<'static, str>,
    /// What is wrong, for programs.
    pub(crate) code: FieldCode,
    /// What is wrong, for people. Never repeats what was sent.
    #[schema(value_type = String)]
    pub(crate) detail: Cow<'static, str>,
}

impl FieldError {
    /// Creates an error; a long name of a field is cut off. `detail` must not repeat what
    /// was sent.
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        code: FieldCode,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut field = field.into();
        if let Some((end, _)) = field.char_indices().nth(FIELD_CHARS_MAX) {
            field.to_mut().truncate(end);
        }
        Self { field, code, detail: detail.into() }
    }
}

/// A request that was not carried out, and why.
#[derive(Debug)]
pub(crate) struct Problem {
    code: ProblemCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    job: Option<Box<JobLink>>,
    retry_after: Option<u32>,
    cause: Option<Arc<str>>,
}

/// A job that may run although its submission failed.
#[derive(Debug)]
struct JobLink {
    id: String,
    url: String,
}

/// A problem as the access log needs it: an extension of the response, never sent.
#[derive(Debug, Clone)]
pub(crate) struct LoggedProblem {
    pub(crate) code: ProblemCode,
    pub(crate) cause: Option<Arc<str>>,
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self {
            code,
            detail: code.detail().into(),
            errors: Vec::new(),
            job: None,
            retry_after: code.retry_after(),
            cause: None,
        }
    }
}

impl Problem {
    /// Creates the problem of bad input, with everything that is wrong with it. Input that
    /// only names things that are not the client's is "not found", like an id of another
    /// client.
    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        let all_not_found = errors.iter().all(|error| error.code == FieldCode::NotFound);
        let code = if all_not_found && !errors.is_empty() {
            ProblemCode::NotFound
        } else {
            ProblemCode::InvalidRequest
        };
        let mut problem = Self::from(code);
        let count = errors.len();
        if count > ERRORS_MAX {
            errors.truncate(ERRORS_MAX);
            problem.detail =
                format!("{count} things in the request are not usable; errors lists the first.")
                    .into();
        }
        problem.errors = errors;
        problem
    }

    /// Replaces the code's detail by a more exact one, which must not repeat what was sent.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds the job that may run all the same.
    pub(crate) fn job(mut self, id: String, url: String) -> Self {
        self.job = Some(Box::new(JobLink { id, url }));
        self
    }

    /// Replaces the code's `Retry-After`, rounded up to whole seconds.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(whole_seconds(wait));
        self
    }

    /// Attaches the cause, for the log only.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        self.cause = Some(with_causes(error).into());
        self
    }

    /// Returns the code.
    pub(crate) fn code(&self) -> ProblemCode {
        self.code
    }

    #[cfg(test)]
    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    fn body(&self) -> ProblemBody<'_> {
        ProblemBody {
            kind: format!("urn:quhao:problem/{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
            id: self.job.as_ref().map(|job| job.id.as_str()),
            url: self.job.as_ref().map(|job| job.url.as_str()),
        }
    }
}

/// Rounds up to whole seconds, one at least: `Retry-After` can say nothing finer.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

/// Why a request was not carried out (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// A URI whose last part is the code. Identifies; leads nowhere.
    #[serde(rename = "type")]
    kind: String,
    /// A few words, the same for every problem of this code.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened, for people.
    #[schema(value_type = String)]
    detail: &'a str,
    /// What happened, for programs.
    code: ProblemCode,
    /// Bad input: everything that is wrong with it, at most 32 entries.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: &'a [FieldError],
    /// With `unconfirmed`: the id of the job that may run all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    id: Option<&'a str>,
    /// With `unconfirmed`: where to ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    url: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        #[expect(clippy::expect_used, reason = "strings and numbers have no way to fail")]
        let body = serde_json::to_vec(&self.body()).expect("serialisable");
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == ProblemCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(LoggedProblem { code: self.code, cause: self.cause });
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(problem: &Problem) -> Value {
        serde_json::to_value(problem.body()).expect("serialisable")
    }

    #[test]
    fn job_and_errors_stand_only_where_they_apply() {
        let problem = Problem::from(ProblemCode::Unconfirmed).job("job_1".into(), "/x".into());
        assert_eq!(
            body(&problem),
            json!({
                "type": "urn:quhao:problem/unconfirmed", "title": "Unconfirmed", "status": 503,
                "detail": ProblemCode::Unconfirmed.detail(), "code": "unconfirmed",
                "id": "job_1", "url": "/x",
            })
        );
        assert_eq!(problem.into_response().headers()[header::RETRY_AFTER], "1");

        let error = FieldError::new("code", FieldCode::TooLong, "is too long");
        assert_eq!(
            body(&Problem::invalid(vec![error]))["errors"],
            json!([{"field": "code", "code": "too_long", "detail": "is too long"}])
        );
    }

    #[test]
    fn code_has_one_name() {
        for code in ProblemCode::ALL {
            assert_eq!(body(&Problem::from(*code))["code"], code.as_str());
        }
    }

    #[test]
    fn retry_after_rounds_up_to_whole_seconds() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds, "{millis}");
        }
    }

    #[test]
    fn cause_is_kept_for_the_log_and_not_sent() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] std::fmt::Error);
        let inner = std::fmt::Error.to_string();
        let problem = Problem::from(ProblemCode::Internal).because(&Outer(std::fmt::Error));
        assert_eq!(problem.cause.as_deref(), Some(format!("outer: {inner}").as_str()));
        assert!(!body(&problem).to_string().contains(&inner));
    }
}
