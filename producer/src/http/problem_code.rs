//! The closed lists of problems and of errors of a field.

use std::borrow::Cow;

use axum::http::StatusCode;
use quhao_common::process::metrics::LabelValue;
use serde::Serialize;
use utoipa::ToSchema;

impl LabelValue for ProblemCode {
    fn label_value(&self) -> Cow<'static, str> {
        self.as_str().into()
    }
}

macro_rules! problem_codes {
    ($($variant:ident = $name:literal, $status:ident, retry $retry:expr, $title:literal, $detail:literal;)*) => {
        /// Why a request was not carried out. Names are part of the HTTP contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum ProblemCode {
            $($variant,)*
        }

        impl ProblemCode {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the code's name in the HTTP contract.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns the HTTP status. No other place decides on a problem's status.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// Returns `Retry-After` in seconds, for problems that pass by themselves.
            pub(crate) fn retry_after(self) -> Option<u32> {
                match self { $(Self::$variant => $retry),* }
            }

            /// Returns a few words, the same every time.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// Returns the meaning, where nothing more exact is known.
            pub(crate) fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail),* }
            }
        }
    };
}

problem_codes! {
    MalformedJson = "malformed_json", BAD_REQUEST, retry None,
        "Malformed JSON", "The body is not one JSON text in UTF-8.";
    IncompleteBody = "incomplete_body", BAD_REQUEST, retry None,
        "Incomplete body", "The body ended early or is not framed as HTTP demands.";
    Unauthorized = "unauthorized", UNAUTHORIZED, retry None,
        "Unauthorized", "The request needs a valid API key: Authorization: Bearer <api key>.";
    NotFound = "not_found", NOT_FOUND, retry None,
        "Not found", "There is no such thing here, or it belongs to another client.";
    NoResult = "no_result", NOT_FOUND, retry None,
        "No result", "Nothing is stored for this job. Poll the url that came with it: its expires says whether a result can still come.";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, retry None,
        "Method not allowed", "This path does not support the method; Allow lists those that it does.";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, retry None,
        "Request timeout", "The body did not arrive in time.";
    Gone = "gone", GONE, retry None,
        "Gone", "The result has been removed: it was erased, or its retention is over.";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, retry None,
        "Body too large", "The body is larger than 64 KiB.";
    UriTooLong = "uri_too_long", URI_TOO_LONG, retry None,
        "URI too long", "The request target is longer than 2 KiB.";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, retry None,
        "Unsupported media type", "The body must be sent as Content-Type: application/json, once, without Content-Encoding.";
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, retry None,
        "Invalid request", "Something in the request is not usable; errors lists all of it.";
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, retry None,
        "Headers too large", "There are more than 64 header fields, or they hold more than 16 KiB.";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, retry Some(1),
        "Rate limited", "This client submits and erases faster than it may, and nothing was done. The same request may be sent again.";
    Internal = "internal", INTERNAL_SERVER_ERROR, retry None,
        "Internal error", "A fault in quhao. The x-request-id leads its operator to the cause.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, retry Some(2),
        "Overloaded", "The queue is full and the job was not taken. The same submission may be sent again; it stays the same job.";
    WouldExpire = "would_expire", SERVICE_UNAVAILABLE, retry Some(1),
        "Would expire", "So many jobs wait that this one would reach its deadline first, and it was not taken. The same submission may be sent again; it stays the same job.";
    BrokerUnavailable = "broker_unavailable", SERVICE_UNAVAILABLE, retry Some(5),
        "Broker unavailable", "The queue is out of reach and the job was not taken. The same submission may be sent again; it stays the same job.";
    Unconfirmed = "unconfirmed", SERVICE_UNAVAILABLE, retry Some(1),
        "Unconfirmed", "The queue did not confirm the job in time; it may run all the same, and url tells. The same submission may be sent again; it stays the same job.";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, retry Some(2),
        "Store unavailable", "What is stored cannot be read or changed at the moment. Jobs are not affected; send the same again.";
    TimedOut = "timed_out", SERVICE_UNAVAILABLE, retry Some(1),
        "Timed out", "The request was not done in time. The same request may be sent again; a submission stays the same job.";
}

/// What is wrong with a field. Names are part of the HTTP contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FieldCode {
    /// It is missing, but needed.
    Required,
    /// There is no such field.
    UnknownField,
    /// It stands more than once.
    DuplicateField,
    /// It has another JSON type.
    WrongType,
    /// It holds nothing: empty, `"undefined"` or `"null"`.
    Empty,
    /// It is longer than allowed.
    TooLong,
    /// It holds characters that it cannot have.
    InvalidCharacters,
    /// It has the right type, but not an acceptable value.
    InvalidValue,
    /// The number is too small or too large.
    OutOfRange,
    /// It is not base64, not even after repair.
    NotBase64,
    /// What is encoded has a length that it cannot have.
    WrongLength,
    /// It does not go with another field that is there.
    Conflicting,
    /// This installation's configuration does not allow it.
    NotAllowed,
    /// It names nothing that the client owns.
    NotFound,
}
