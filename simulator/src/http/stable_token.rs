//! `POST /cgi-bin/stable_token`: checks and answer.

use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::body;
use super::in_flight::InFlightCall;
use super::response::Reply;
use crate::wechat::access_token::IssuedToken;
use crate::wechat::code::CodeUse;
use crate::wechat::endpoint::Endpoint;
use crate::wechat::errcode;
use crate::world::platform::Platform;

/// The parameters of a call. Those left out are empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    grant_type: String,
    #[serde(rename = "appid")]
    app_id: String,
    secret: String,
    force_refresh: bool,
}

/// Answers one call. A scripted error is answered instead of a forced refresh.
pub(crate) async fn answer(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let mut call = InFlightCall::<()>::start(platform, Endpoint::StableToken, None);
    let parameters = body::read_parameters::<Parameters>(request).await;
    if let Ok(parameters) = &parameters {
        call.app_id.clone_from(&parameters.app_id);
        if parameters.force_refresh {
            call.frontend().call_log.count_force_refresh();
        }
    }
    let action = call.frontend().take_action(&call.app_id);
    let may_force = CodeUse::from(&action) != CodeUse::Keep;
    let issued = parameters.and_then(|mut parameters| {
        parameters.force_refresh &= may_force;
        issue(platform, &parameters)
    });
    let body = issued.map(|issued| {
        json!({"access_token": issued.token, "expires_in": issued.expires_in}).to_string()
    });
    call.finish(action, body, stop).await
}

/// Issues the app's token. Fails with the error number that WeChat answers.
fn issue(platform: &Platform, parameters: &Parameters) -> Result<IssuedToken, i64> {
    if parameters.app_id.is_empty() {
        return Err(errcode::APPID_MISSING);
    }
    if parameters.secret.is_empty() {
        return Err(errcode::APPSECRET_MISSING);
    }
    if parameters.grant_type != "client_credential" {
        return Err(errcode::INVALID_GRANT_TYPE);
    }
    platform.check_app(&parameters.app_id, &parameters.secret)?;
    if parameters.force_refresh {
        platform.access_tokens.force_refresh(&parameters.app_id)
    } else {
        Ok(platform.access_tokens.issue(&parameters.app_id))
    }
}
