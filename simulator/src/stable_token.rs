//! `POST /cgi-bin/stable_token`: checks and answer.

use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    body, code::Use, endpoint::Endpoint, errcode, pending::PendingCall, platform::Platform,
    response::Reply,
};

/// The parameters of a call; those left out are empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    grant_type: String,
    #[serde(rename = "appid")]
    app_id: String,
    secret: String,
    force_refresh: bool,
}

/// Answers one call. A scripted error is answered instead of refreshing anything by force.
pub(crate) async fn stable_token(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let mut call = PendingCall::<()>::arrived(platform, Endpoint::StableToken, None);
    let parsed = parse(request).await;
    if let Ok(parameters) = &parsed {
        call.app_id.clone_from(&parameters.app_id);
        if parameters.force_refresh {
            platform.tokens.count_forced();
        }
    }
    let action = call.desk().action(&call.app_id);
    let reaches_us = Use::from(&action) != Use::Look;
    let granted = parsed.and_then(|parameters| {
        check(platform, &parameters)?;
        platform.tokens.fetch(&parameters.app_id, parameters.force_refresh && reaches_us)
    });
    let body = granted.map(|granted| {
        json!({"access_token": granted.token, "expires_in": granted.expires_in}).to_string()
    });
    call.finish(action, body, stop).await
}

async fn parse(request: Request<Incoming>) -> Result<Parameters, i64> {
    let bytes = body::read(request).await.map_err(|_| errcode::DATA_FORMAT)?;
    if bytes.is_empty() {
        return Err(errcode::EMPTY_POST_DATA);
    }
    serde_json::from_slice(&bytes).map_err(|_| errcode::DATA_FORMAT)
}

fn check(platform: &Platform, parameters: &Parameters) -> Result<(), i64> {
    if parameters.app_id.is_empty() {
        return Err(errcode::APPID_MISSING);
    }
    if parameters.secret.is_empty() {
        return Err(errcode::APPSECRET_MISSING);
    }
    if parameters.grant_type != "client_credential" {
        return Err(errcode::INVALID_GRANT_TYPE);
    }
    platform.check_app(&parameters.app_id, &parameters.secret)
}
