//! Which path is answered by what.

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::{
    access_token::Ending,
    control::{self, credential, script, visitor},
    endpoint::Endpoint,
    errcode, exchange,
    platform::Platform,
    redeem,
    response::{Reply, answer},
    stable_token,
};

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

fn endpoint(path: &str) -> Option<Endpoint> {
    match path {
        "/sns/jscode2session" => Some(Endpoint::Jscode2session),
        "/sns/component/jscode2session" => Some(Endpoint::ComponentJscode2session),
        "/cgi-bin/stable_token" => Some(Endpoint::StableToken),
        "/wxa/business/getuserphonenumber" => Some(Endpoint::Getuserphonenumber),
        _ => None,
    }
}

/// A call of the wrong method counts as none.
async fn wechat(
    platform: &Platform,
    endpoint: Endpoint,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let (method, refusal) = match endpoint {
        Endpoint::Jscode2session | Endpoint::ComponentJscode2session => {
            (Method::GET, errcode::REQUIRE_GET)
        }
        Endpoint::StableToken | Endpoint::Getuserphonenumber => {
            (Method::POST, errcode::REQUIRE_POST)
        }
    };
    if *request.method() != method {
        let body = endpoint.error_body(refusal);
        return Ok(answer(StatusCode::OK, &platform.options.content_type, body));
    }
    let query = request.uri().query().unwrap_or_default();
    match endpoint {
        Endpoint::Jscode2session => exchange::jscode2session(platform, query, stop).await,
        Endpoint::ComponentJscode2session => {
            exchange::component_jscode2session(platform, query, stop).await
        }
        Endpoint::StableToken => stable_token::stable_token(platform, request, stop).await,
        Endpoint::Getuserphonenumber => redeem::getuserphonenumber(platform, request, stop).await,
    }
}

async fn control(platform: &Platform, request: Request<Incoming>) -> control::Control {
    match (request.uri().path(), request.method()) {
        ("/simulator/guests", &Method::POST) => visitor::guests(platform, request).await,
        ("/simulator/taps", &Method::POST) => visitor::taps(platform, request).await,
        ("/simulator/script", &Method::POST) => script::script(platform, request).await,
        ("/simulator/calls", &Method::GET) => script::calls(platform),
        ("/simulator/tokens/revoke", &Method::POST) => {
            credential::end_tokens(platform, request, Ending::Revoked).await
        }
        ("/simulator/tokens/expire", &Method::POST) => {
            credential::end_tokens(platform, request, Ending::Expired).await
        }
        ("/simulator/component", &Method::POST) => credential::component(platform, request).await,
        ("/livez", &Method::GET) => answer(StatusCode::OK, "text/plain", "ok"),
        (
            "/simulator/guests"
            | "/simulator/taps"
            | "/simulator/script"
            | "/simulator/tokens/revoke"
            | "/simulator/tokens/expire"
            | "/simulator/component",
            _,
        ) => control::refuse(StatusCode::METHOD_NOT_ALLOWED, "this route takes POST"),
        ("/simulator/calls" | "/livez", _) => {
            control::refuse(StatusCode::METHOD_NOT_ALLOWED, "this route takes GET")
        }
        _ => control::refuse(StatusCode::NOT_FOUND, "there is no such route"),
    }
}
