//! The control routes, for people who run the simulator on its own.

pub(crate) mod credential;
pub(crate) mod script;
pub(crate) mod visitor;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    body::{self, BodyError},
    platform::Platform,
    response::answer,
};

/// An answer of a control route.
pub(crate) type Control = Response<Full<Bytes>>;

/// An error of these routes: plain JSON with a reason.
pub(crate) fn refuse(status: StatusCode, reason: &str) -> Control {
    answer(status, "application/json", json!({"error": reason}).to_string())
}

fn reply(body: &impl Serialize) -> Control {
    match serde_json::to_string(body) {
        Ok(body) => answer(StatusCode::OK, "application/json", body),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// The reason for a 400 unless this is an app of this simulator.
fn check_app(platform: &Platform, app_id: &str) -> Result<(), &'static str> {
    if app_id.is_empty() || !platform.knows_app(app_id) {
        return Err("app_id names no app of this simulator");
    }
    Ok(())
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Control> {
    let bytes = body::read(request).await.map_err(|error| {
        let status = match error {
            BodyError::Late => StatusCode::REQUEST_TIMEOUT,
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        refuse(status, &error.to_string())
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))
}
