//! Access tokens that become useless, and the service provider.

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Control, check_app, read, refuse, reply};
use crate::{access_token::Ending, component::Component, platform::Platform};

/// What `POST /simulator/tokens/revoke` and `POST /simulator/tokens/expire` take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// Whose tokens.
    app_id: String,
}

/// What `POST /simulator/component` takes; everything is optional.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentBody {
    /// The service provider's appid; needs a token. Without it the provider stays who it is.
    component_appid: Option<String>,
    /// Its token that is valid from now on.
    component_access_token: Option<String>,
    /// Apps that let it act for them again.
    #[serde(default)]
    authorize: Vec<String>,
    /// Apps that no longer let it act for them.
    #[serde(default)]
    deauthorize: Vec<String>,
}

/// `POST /simulator/tokens/revoke` and `…/expire`: 200 with whether a token was valid.
pub(crate) async fn end_tokens(
    platform: &Platform,
    request: Request<Incoming>,
    ending: Ending,
) -> Control {
    let body: TokenBody = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    if let Err(reason) = check_app(platform, &body.app_id) {
        return refuse(StatusCode::BAD_REQUEST, reason);
    }
    reply(&json!({"was_valid": platform.tokens.end(&body.app_id, ending)}))
}

/// `POST /simulator/component`: 200 with an empty object.
pub(crate) async fn component(platform: &Platform, request: Request<Incoming>) -> Control {
    let body: ComponentBody = match read(request).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let component = &platform.component;
    match (body.component_appid, body.component_access_token) {
        (Some(app_id), Some(access_token)) => component.set(Component { app_id, access_token }),
        (Some(_), None) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "component_appid needs a component_access_token",
            );
        }
        (None, Some(access_token)) => {
            if !component.set_token(&access_token) {
                return refuse(StatusCode::CONFLICT, "there is no component; give its appid too");
            }
        }
        (None, None) => {}
    }
    for app_id in &body.authorize {
        component.authorize(app_id);
    }
    for app_id in &body.deauthorize {
        if !component.deauthorize(app_id) {
            return refuse(StatusCode::CONFLICT, "too many apps are without authorisation");
        }
    }
    reply(&json!({}))
}
