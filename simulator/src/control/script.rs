//! What goes wrong, and what happened.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Control, read, refuse, reply};
use crate::{
    action::Action,
    counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts},
    endpoint::Endpoint,
    platform::Platform,
};

/// What `POST /simulator/script` takes; everything is optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptBody {
    /// Which endpoint it is about; `jscode2session` by default.
    #[serde(default)]
    endpoint: Endpoint,
    /// The login or phone code that the actions are for; without it they are for the next calls.
    code: Option<String>,
    /// The same for `stable_token`: the app that the actions are for.
    app_id: Option<String>,
    /// Queued behind those that are queued already.
    #[serde(default)]
    actions: Vec<Action>,
    /// The standing latency of all calls, milliseconds.
    latency_ms: Option<u64>,
    /// The standing share of calls that are answered -1, 0 to 1.
    busy_rate: Option<f64>,
    /// Forgets all queued actions and standing rates of the endpoint first.
    #[serde(default)]
    clear: bool,
}

/// `POST /simulator/script`: 200 with the number of actions queued.
pub(crate) async fn script(platform: &Platform, request: Request<Incoming>) -> Control {
    let body: ScriptBody = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if body.busy_rate.is_some_and(|rate| !(0.0..=1.0).contains(&rate)) {
        return refuse(StatusCode::BAD_REQUEST, "busy_rate must be between 0 and 1");
    }
    let name = match (body.endpoint, body.code, body.app_id) {
        (Endpoint::StableToken, Some(_), _) => {
            return refuse(StatusCode::BAD_REQUEST, "stable_token has no code; give an app_id");
        }
        (Endpoint::StableToken, None, app_id) => app_id,
        (_, _, Some(_)) => {
            return refuse(StatusCode::BAD_REQUEST, "app_id is for stable_token; give a code");
        }
        (_, code, None) => code,
    };
    let script = &platform.desk(body.endpoint).script;
    if body.clear {
        script.clear();
    }
    let queued = body.actions.len();
    if let Err(full) = script.queue(name.as_deref(), body.actions) {
        return refuse(StatusCode::CONFLICT, &full.to_string());
    }
    if let Some(latency) = body.latency_ms {
        script.set_latency(Duration::from_millis(latency));
    }
    if let Some(rate) = body.busy_rate {
        script.set_busy_rate(rate);
    }
    reply(&json!({"queued": queued}))
}

/// `GET /simulator/calls`: 200 with the counters, those of `jscode2session` at the top.
pub(crate) fn calls(platform: &Platform) -> Control {
    #[derive(Serialize)]
    struct All {
        #[serde(flatten)]
        jscode2session: Counts,
        component_jscode2session: ComponentCounts,
        stable_token: TokenCounts,
        getuserphonenumber: RedeemCounts,
    }
    let tally = |endpoint| platform.desk(endpoint).ledger.tally();
    reply(&All {
        jscode2session: tally(Endpoint::Jscode2session).into(),
        component_jscode2session: tally(Endpoint::ComponentJscode2session).into(),
        stable_token: platform.token_counts(),
        getuserphonenumber: tally(Endpoint::Getuserphonenumber).into(),
    })
}
