//! Which path is answered by which function.

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio_util::sync::CancellationToken;

use super::control::{self, credentials, script, users};
use super::response::{Reply, response};
use super::{getuserphonenumber, jscode2session, stable_token};
use crate::wechat::access_token::Invalidation;
use crate::wechat::endpoint::Endpoint;
use crate::wechat::errcode;
use crate::world::platform::Platform;

/// Answers a request.
pub(crate) async fn route(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let path = request.uri().path();
    match endpoint(path) {
        Some(endpoint) => wechat(platform, endpoint, request, stop).await,
        None => Ok(control(platform, request).await),
    }
}

/// Returns the endpoint with this path.
fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        "/sns/jscode2session" => Some(Endpoint::Jscode2session),
        "/sns/component/jscode2session" => Some(Endpoint::ComponentJscode2session),
        "/cgi-bin/stable_token" => Some(Endpoint::StableToken),
        "/wxa/business/getuserphonenumber" => Some(Endpoint::Getuserphonenumber),
        _ => None,
    }
}

/// Answers a call of an endpoint. A call with the wrong method is not counted.
async fn wechat(
    platform: &Platform,
    endpoint: Endpoint,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let (method, wrong_method) = match endpoint {
        Endpoint::Jscode2session | Endpoint::ComponentJscode2session => {
            (Method::GET, errcode::REQUIRE_GET)
        }
        Endpoint::StableToken | Endpoint::Getuserphonenumber => {
            (Method::POST, errcode::REQUIRE_POST)
        }
    };
    if *request.method() != method {
        let body = endpoint.error_body(wrong_method);
        return Ok(response(StatusCode::OK, &platform.options.content_type, body));
    }
    let query = request.uri().query().unwrap_or_default();
    match endpoint {
        Endpoint::Jscode2session => jscode2session::answer(platform, query, stop).await,
        Endpoint::ComponentJscode2session => {
            jscode2session::answer_component(platform, query, stop).await
        }
        Endpoint::StableToken => stable_token::answer(platform, request, stop).await,
        Endpoint::Getuserphonenumber => getuserphonenumber::answer(platform, request, stop).await,
    }
}

/// Answers a request for a control route, or for no route.
async fn control(platform: &Platform, request: Request<Incoming>) -> control::ControlResponse {
    match (request.uri().path(), request.method()) {
        ("/simulator/guests", &Method::POST) => users::create_user(platform, request).await,
        ("/simulator/taps", &Method::POST) => users::create_phone_tap(platform, request).await,
        ("/simulator/script", &Method::POST) => script::script(platform, request).await,
        ("/simulator/calls", &Method::GET) => script::calls(platform),
        ("/simulator/tokens/revoke", &Method::POST) => {
            credentials::invalidate_tokens(platform, request, Invalidation::Revoked).await
        }
        ("/simulator/tokens/expire", &Method::POST) => {
            credentials::invalidate_tokens(platform, request, Invalidation::Expired).await
        }
        ("/simulator/component", &Method::POST) => credentials::component(platform, request).await,
        ("/livez", &Method::GET) => response(StatusCode::OK, "text/plain", "ok"),
        (
            "/simulator/guests"
            | "/simulator/taps"
            | "/simulator/script"
            | "/simulator/tokens/revoke"
            | "/simulator/tokens/expire"
            | "/simulator/component",
            _,
        ) => control::refusal(StatusCode::METHOD_NOT_ALLOWED, "this route takes POST"),
        ("/simulator/calls" | "/livez", _) => {
            control::refusal(StatusCode::METHOD_NOT_ALLOWED, "this route takes GET")
        }
        _ => control::refusal(StatusCode::NOT_FOUND, "there is no such route"),
    }
}
