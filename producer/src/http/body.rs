//! Reading a client's JSON body: its type, its size, its time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    http::{
        auth::Authenticated,
        headers,
        problem::{Problem, ProblemCode},
        rate::WithinRate,
    },
    state::AppState,
};

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of a refused body is read and thrown away, and for how long: a connection that
/// is closed on a client that still sends often takes the answer with it.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// The body of a request that is within its client's rate. The headers say that it is JSON;
/// it is not parsed yet.
pub(crate) struct JsonWithinRate {
    pub(crate) caller: Authenticated,
    pub(crate) body: Bytes,
}

impl FromRequest<Arc<AppState>> for JsonWithinRate {
    type Rejection = Problem;

    /// Judges the request by its head, and only then reads its body.
    async fn from_request(request: Request, state: &Arc<AppState>) -> Result<Self, Problem> {
        let (mut head, mut body) = request.into_parts();
        match judge_head(&mut head, state).await {
            Ok(caller) => {
                let body = read(&mut body, state.limits.body_timeout).await?;
                Ok(Self { caller, body })
            }
            Err(problem) => {
                // A client that expects a 100 has not begun to send.
                if !head.headers.contains_key(header::EXPECT) {
                    discard(&mut body).await;
                }
                Err(problem)
            }
        }
    }
}

/// Checks the caller, its rate and what the headers say of the body.
async fn judge_head(head: &mut Parts, state: &Arc<AppState>) -> Result<Authenticated, Problem> {
    let WithinRate(caller) = WithinRate::from_request_parts(head, state).await?;
    check_headers(&head.headers)?;
    Ok(caller)
}

/// Checks what can be known of the body before a byte of it is read.
fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers::is_plain_json(headers) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    match headers::content_length(headers) {
        Some(bytes) if bytes > BODY_BYTES_MAX as u64 => Err(ProblemCode::BodyTooLarge.into()),
        _ => Ok(()),
    }
}

/// Reads a whole body, within `timeout` and [`BODY_BYTES_MAX`].
async fn read(body: &mut Body, timeout: Duration) -> Result<Bytes, Problem> {
    let whole = Limited::new(&mut *body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(ProblemCode::BodyTooLarge.into())
        }
        Ok(Err(_)) => Err(ProblemCode::IncompleteBody.into()),
        Err(_) => Err(ProblemCode::RequestTimeout.into()),
    }
}

/// Reads what is left of a body and throws it away, within the limits above.
async fn discard(body: &mut Body) {
    let reading = async {
        let mut bytes_left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            bytes_left = bytes_left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if bytes_left == 0 {
                break;
            }
        }
    };
    // Too slow or too much: the answer goes out all the same.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}
