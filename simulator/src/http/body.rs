//! Reads request bodies, limited in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::Request;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use crate::wechat::errcode;

const BODY_LIMIT: usize = 1 << 20;
const BODY_TIME_LIMIT: Duration = Duration::from_secs(10);

/// The reason why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body did not arrive within 10 s")]
    Late,
    #[error("the body is larger than 1 MiB")]
    TooLarge,
    #[error("the body could not be read")]
    Broken,
}

/// Reads the body of a request.
pub(crate) async fn read(request: Request<Incoming>) -> Result<Bytes, BodyError> {
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
    match tokio::time::timeout(BODY_TIME_LIMIT, body).await {
        Err(_) => Err(BodyError::Late),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// Reads the JSON parameters of a call. Fails with the error number that WeChat answers.
pub(crate) async fn read_parameters<T: DeserializeOwned>(
    request: Request<Incoming>,
) -> Result<T, i64> {
    let bytes = read(request).await.map_err(|_| errcode::DATA_FORMAT)?;
    if bytes.is_empty() {
        return Err(errcode::EMPTY_POST_DATA);
    }
    serde_json::from_slice(&bytes).map_err(|_| errcode::DATA_FORMAT)
}
