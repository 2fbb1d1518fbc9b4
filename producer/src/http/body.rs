//! Reading a client's JSON body: its type, its size, its time.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    Edge,
    http::{
        auth::Authenticated,
        headers,
        problem::{Problem, ProblemCode},
    },
    rate_limit::Rated,
};

/// Largest body, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How much of a refused body is read and thrown away, and for how long: a connection that
/// is closed on a client that still sends often takes the answer with it.
const DISCARD_BYTES_MAX: usize = 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A client whose rate allows it, and the bytes of a body that claims to be JSON.
pub(crate) struct RatedJson(pub(crate) Authenticated, pub(crate) Bytes);

impl FromRequest<Arc<Edge>> for RatedJson {
    type Rejection = Problem;

    /// Judges a request by its head, and only then reads its body.
    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let (mut head, mut body) = request.into_parts();
        let admitted =
            Rated::from_request_parts(&mut head, edge).await.and_then(|Rated(caller)| {
                fits(&head.headers)?;
                Ok(caller)
            });
        match admitted {
            Ok(caller) => Ok(Self(caller, read(&mut body, edge.limits.body).await?)),
            Err(problem) => {
                // Whoever expects a 100 has not begun to send.
                if !head.headers.contains_key(header::EXPECT) {
                    discard(&mut body).await;
                }
                Err(problem)
            }
        }
    }
}

/// What can be said before a byte is read.
fn fits(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers::is_plain_json(headers) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    match headers::content_length(headers) {
        Some(bytes) if bytes > BODY_BYTES_MAX as u64 => Err(ProblemCode::BodyTooLarge.into()),
        _ => Ok(()),
    }
}

async fn read(body: &mut Body, limit: Duration) -> Result<Bytes, Problem> {
    let whole = Limited::new(&mut *body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(limit, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(ProblemCode::BodyTooLarge.into())
        }
        Ok(Err(_)) => Err(ProblemCode::IncompleteBody.into()),
        Err(_) => Err(ProblemCode::RequestTimeout.into()),
    }
}

async fn discard(body: &mut Body) {
    let reading = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Too slow or too much: the answer goes out all the same.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}
