//! Which path is answered by what.

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::control;
use crate::errcode;
use crate::exchange;
use crate::platform::Platform;
use crate::response::{Reply, answer};

pub(crate) async fn route(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    match (request.uri().path(), request.method()) {
        ("/sns/jscode2session", &Method::GET) => {
            exchange::jscode2session(platform, request.uri().query().unwrap_or_default(), stop)
                .await
        }
        ("/sns/jscode2session", _) => Ok(answer(
            StatusCode::OK,
            &platform.options.content_type,
            errcode::body(errcode::REQUIRE_GET),
        )),
        ("/simulator/guests", &Method::POST) => Ok(control::guests(platform, request).await),
        ("/simulator/script", &Method::POST) => Ok(control::script(platform, request).await),
        ("/simulator/calls", &Method::GET) => Ok(control::calls(platform)),
        ("/livez", &Method::GET) => Ok(answer(StatusCode::OK, "text/plain", "ok")),
        ("/simulator/guests" | "/simulator/script", _) => {
            Ok(control::refuse(StatusCode::METHOD_NOT_ALLOWED, "this route takes POST"))
        }
        ("/simulator/calls" | "/livez", _) => {
            Ok(control::refuse(StatusCode::METHOD_NOT_ALLOWED, "this route takes GET"))
        }
        _ => Ok(control::refuse(StatusCode::NOT_FOUND, "there is no such route")),
    }
}
