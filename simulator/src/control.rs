//! The control routes, for people who run the simulator on its own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::action::Action;
use crate::guest::GuestSpec;
use crate::platform::Platform;
use crate::response::answer;

const BODY_LIMIT: usize = 1 << 20;
const BODY_TIME_LIMIT: Duration = Duration::from_secs(10);

/// What `POST /simulator/script` takes; everything is optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// The code that the actions are for; without it they are for the next calls.
    code: Option<String>,
    /// Queued behind those that are queued already.
    #[serde(default)]
    actions: Vec<Action>,
    /// The standing latency of all calls, milliseconds.
    latency_ms: Option<u64>,
    /// The standing share of calls that are answered -1, 0 to 1.
    busy_rate: Option<f64>,
    /// Forgets all queued actions and standing rates first.
    #[serde(default)]
    clear: bool,
}

/// `POST /simulator/guests`: 200 with a guest.
pub(crate) async fn guests(
    platform: &Platform,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let spec: GuestSpec = match read(request).await {
        Ok(spec) => spec,
        Err(refusal) => return refusal,
    };
    if spec.app_id.is_empty() || !platform.knows_app(&spec.app_id) {
        return refuse(StatusCode::BAD_REQUEST, "app_id names no app of this simulator");
    }
    if let Some(phone) = &spec.phone
        && !(1..=15).contains(&phone.len())
    {
        return refuse(
            StatusCode::BAD_REQUEST,
            "phone must be 1 to 15 characters, without country code",
        );
    }
    if let Some(phone) = &spec.phone
        && !phone.bytes().all(|byte| byte.is_ascii_digit())
    {
        return refuse(StatusCode::BAD_REQUEST, "phone must be digits only, without country code");
    }
    if spec.openid.as_ref().is_some_and(|openid| openid.is_empty() || openid.len() > 128) {
        return refuse(StatusCode::BAD_REQUEST, "openid must be 1 to 128 bytes");
    }
    match platform.guest(spec) {
        Ok(guest) => reply(&guest),
        Err(error) => refuse(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// `POST /simulator/script`: 200 with the number of actions queued.
pub(crate) async fn script(
    platform: &Platform,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let body: ScriptBody = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body.busy_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return refuse(StatusCode::BAD_REQUEST, "busy_rate must be between 0 and 1");
    }
    if body.clear {
        platform.script.clear();
    }
    let queued = body.actions.len();
    if let Err(full) = platform.script.queue(body.code.as_deref(), body.actions) {
        return refuse(StatusCode::CONFLICT, &full.to_string());
    }
    if let Some(latency) = body.latency_ms {
        platform.script.set_latency(Duration::from_millis(latency));
    }
    if let Some(rate) = body.busy_rate {
        platform.script.set_busy_rate(rate);
    }
    reply(&json!({"queued": queued}))
}

/// `GET /simulator/calls`: 200 with the counters.
pub(crate) fn calls(platform: &Platform) -> Response<Full<Bytes>> {
    reply(&platform.ledger.counts())
}

/// An error of these routes: plain JSON with a reason.
pub(crate) fn refuse(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    answer(status, "application/json", json!({"error": reason}).to_string())
}

fn reply(body: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string(body) {
        Ok(body) => answer(StatusCode::OK, "application/json", body),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Response<Full<Bytes>>> {
    let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
    let bytes = match tokio::time::timeout(BODY_TIME_LIMIT, body).await {
        Err(_) => {
            return Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive within 10 s"));
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 1 MiB"));
        }
        Ok(Err(_)) => return Err(refuse(StatusCode::BAD_REQUEST, "the body could not be read")),
        Ok(Ok(body)) => body.to_bytes(),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))
}
