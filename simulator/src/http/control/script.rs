//! Control of the scripts, and the counters.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ControlResponse, json_response, read, refusal};
use crate::script::action::Action;
use crate::wechat::endpoint::Endpoint;
use crate::world::counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts};
use crate::world::platform::Platform;

/// The body of `POST /simulator/script`. Every field is optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// The endpoint whose script changes. `jscode2session` by default.
    #[serde(default)]
    endpoint: Endpoint,
    /// The login or phone code that the actions are for. Without it they are for the next calls.
    code: Option<String>,
    /// The app that the actions are for, if the endpoint is `stable_token`.
    app_id: Option<String>,
    /// Actions to queue behind those that are already queued.
    #[serde(default)]
    actions: Vec<Action>,
    /// The latency of all calls, in milliseconds.
    latency_ms: Option<u64>,
    /// The share of calls that are answered -1: 0 to 1.
    busy_rate: Option<f64>,
    /// Whether to first remove all queued actions, the latency and the busy rate of the endpoint.
    #[serde(default)]
    clear: bool,
}

/// Handles `POST /simulator/script`: 200 with the number of actions queued.
pub(crate) async fn script(platform: &Platform, request: Request<Incoming>) -> ControlResponse {
    let body: ScriptBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    if body.busy_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return refusal(StatusCode::BAD_REQUEST, "busy_rate must be between 0 and 1");
    }
    let name = match (body.endpoint, body.code, body.app_id) {
        (Endpoint::StableToken, Some(_), _) => {
            return refusal(StatusCode::BAD_REQUEST, "stable_token has no code; give an app_id");
        }
        (Endpoint::StableToken, None, app_id) => app_id,
        (_, _, Some(_)) => {
            return refusal(StatusCode::BAD_REQUEST, "app_id is for stable_token; give a code");
        }
        (_, code, None) => code,
    };
    let script = &platform.frontend(body.endpoint).script;
    if body.clear {
        script.clear();
    }
    let queued = body.actions.len();
    if let Err(full) = script.queue(name.as_deref(), body.actions) {
        return refusal(StatusCode::CONFLICT, &full.to_string());
    }
    if let Some(latency) = body.latency_ms {
        script.set_latency(Duration::from_millis(latency));
    }
    if let Some(rate) = body.busy_rate {
        script.set_busy_rate(rate);
    }
    json_response(&json!({"queued": queued}))
}

/// Handles `GET /simulator/calls`: 200 with the counters, those of `jscode2session` at the top
/// level.
pub(crate) fn calls(platform: &Platform) -> ControlResponse {
    #[derive(Serialize)]
    struct All {
        #[serde(flatten)]
        jscode2session: Counts,
        component_jscode2session: ComponentCounts,
        stable_token: TokenCounts,
        getuserphonenumber: RedeemCounts,
    }
    let totals = |endpoint| platform.frontend(endpoint).call_log.totals();
    json_response(&All {
        jscode2session: totals(Endpoint::Jscode2session).into(),
        component_jscode2session: totals(Endpoint::ComponentJscode2session).into(),
        stable_token: platform.token_counts(),
        getuserphonenumber: totals(Endpoint::Getuserphonenumber).into(),
    })
}
