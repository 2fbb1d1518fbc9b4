//! The control routes, for those who run the simulator as a program of its own.

pub(crate) mod credentials;
pub(crate) mod script;
pub(crate) mod users;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::body::{self, BodyError};
use super::response::response;
use crate::world::platform::Platform;

/// A response of a control route.
pub(crate) type ControlResponse = Response<Full<Bytes>>;

/// Returns an error response: JSON with a reason.
pub(crate) fn refusal(status: StatusCode, reason: &str) -> ControlResponse {
    response(status, "application/json", json!({"error": reason}).to_string())
}

/// Returns a response with a JSON body.
fn json_response(body: &impl Serialize) -> ControlResponse {
    match serde_json::to_string(body) {
        Ok(body) => response(StatusCode::OK, "application/json", body),
        Err(error) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// Checks that an app exists. Fails with the reason for a 400.
fn check_app(platform: &Platform, app_id: &str) -> Result<(), &'static str> {
    if app_id.is_empty() || !platform.knows_app(app_id) {
        return Err("app_id names no app of this simulator");
    }
    Ok(())
}

/// Reads a request's JSON body. Fails with the response to send.
async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, ControlResponse> {
    let bytes = body::read(request).await.map_err(|error| {
        let status = match error {
            BodyError::Late => StatusCode::REQUEST_TIMEOUT,
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        refusal(status, &error.to_string())
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}
