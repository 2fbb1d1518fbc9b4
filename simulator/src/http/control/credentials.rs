//! Control of credentials: an app's access tokens, and the service provider.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{ControlResponse, check_app, json_response, read, refusal};
use crate::wechat::access_token::Invalidation;
use crate::wechat::component::Component;
use crate::world::platform::Platform;

/// The body of `POST /simulator/tokens/revoke` and `POST /simulator/tokens/expire`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// The app whose tokens become invalid.
    app_id: String,
}

/// The body of `POST /simulator/component`. Every field is optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentBody {
    /// The service provider's appid. Needs a token. Without an appid the provider stays the same.
    component_appid: Option<String>,
    /// The provider's new token.
    component_access_token: Option<String>,
    /// Apps that authorise the provider again.
    #[serde(default)]
    authorize: Vec<String>,
    /// Apps that no longer authorise the provider.
    #[serde(default)]
    deauthorize: Vec<String>,
}

/// Handles `POST /simulator/tokens/revoke` and `…/expire`: 200 with whether a token was valid.
pub(crate) async fn invalidate_tokens(
    platform: &Platform,
    request: Request<Incoming>,
    invalidation: Invalidation,
) -> ControlResponse {
    let body: TokenBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    if let Err(reason) = check_app(platform, &body.app_id) {
        return refusal(StatusCode::BAD_REQUEST, reason);
    }
    json_response(
        &json!({"was_valid": platform.access_tokens.invalidate(&body.app_id, invalidation)}),
    )
}

/// Handles `POST /simulator/component`: 200 with an empty object.
pub(crate) async fn component(platform: &Platform, request: Request<Incoming>) -> ControlResponse {
    let body: ComponentBody = match read(request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let component = &platform.component;
    match (body.component_appid, body.component_access_token) {
        (Some(app_id), Some(access_token)) => component.replace(Component { app_id, access_token }),
        (Some(_), None) => {
            return refusal(
                StatusCode::BAD_REQUEST,
                "component_appid needs a component_access_token",
            );
        }
        (None, Some(access_token)) => {
            if !component.set_token(&access_token) {
                return refusal(StatusCode::CONFLICT, "there is no component; give its appid too");
            }
        }
        (None, None) => {}
    }
    for app_id in &body.authorize {
        component.authorize(app_id);
    }
    for app_id in &body.deauthorize {
        if !component.deauthorize(app_id) {
            return refusal(StatusCode::CONFLICT, "too many apps are without authorisation");
        }
    }
    json_response(&json!({}))
}
