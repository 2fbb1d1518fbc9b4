//! Reading a JSON body: its type, its size, its time.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{
    Edge, headers,
    problem::{Problem, ProblemCode},
};

/// Largest body, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The bytes of a body that claims to be JSON.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl FromRequest<Arc<Edge>> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &Arc<Edge>) -> Result<Self, Problem> {
        if !headers::is_plain_json(request.headers()) {
            return Err(ProblemCode::UnsupportedMediaType.into());
        }
        // Before a byte is read, if the length was announced.
        if headers::content_length(request.headers()).is_some_and(|n| n > BODY_BYTES_MAX as u64) {
            return Err(ProblemCode::BodyTooLarge.into());
        }
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX);
        match tokio::time::timeout(edge.limits.body, body.collect()).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(ProblemCode::BodyTooLarge.into())
            }
            Ok(Err(_)) => Err(ProblemCode::IncompleteBody.into()),
            Err(_) => Err(ProblemCode::RequestTimeout.into()),
        }
    }
}
