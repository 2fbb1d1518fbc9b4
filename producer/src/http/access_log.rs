//! The layer around every request: its id, its metrics, its log line, its limits, and what
//! catches panics.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use futures_util::FutureExt;
use quhao_common::process::metrics;
use tokio::time::Instant;

use crate::http::{
    headers::{self, X_REQUEST_ID},
    problem::{LoggedProblem, Problem, ProblemCode},
};

/// Longest request target, in bytes.
const URI_BYTES_MAX: usize = 2048;
/// Most header fields.
const HEADERS_MAX: usize = 64;
/// Most bytes of all header fields together.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Runs a request as the outermost layer. Logs the route, never the path: a path may hold a
/// whole job id.
pub(crate) async fn around_request(
    State(timeout): State<Duration>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    let is_submit = route == "/v1/jobs" && request.method() == Method::POST;
    let request_id = headers::request_id(request.headers()).unwrap_or_else(new_request_id);
    // No inner layer sees two ids, or one that is not fit to be repeated.
    request.headers_mut().insert(X_REQUEST_ID, request_id.clone());

    let mut response = match exceeded_head_limit(&request) {
        Some(code) => Problem::from(code).into_response(),
        None => run_guarded(timeout, next.run(request)).await,
    };

    if let Some(problem) = response.extensions_mut().remove::<LoggedProblem>() {
        if problem.code.status().is_server_error() {
            log(&problem, route, &request_id);
        }
        if is_submit {
            metrics::submit_refused(problem.code);
        }
    }
    metrics::http_request(route, response.status().as_u16(), started.elapsed());
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, request_id);
    // Answers hold phone numbers: no cache may keep them.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Runs a request to an answer, whatever happens in it: a panic and the timeout become
/// problems.
async fn run_guarded(timeout: Duration, run: impl Future<Output = Response>) -> Response {
    // Unwind safe: what handlers share is behind locks that no handler holds across a panic,
    // so none leaves anything half-changed that another could see.
    match tokio::time::timeout(timeout, AssertUnwindSafe(run).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::from(ProblemCode::Internal).into_response(),
        Err(_) => Problem::from(ProblemCode::TimedOut).into_response(),
    }
}

/// Returns the problem of a request whose head exceeds a limit.
fn exceeded_head_limit(request: &Request) -> Option<ProblemCode> {
    let uri = request.uri();
    let uri_bytes = uri.path().len() + uri.query().map_or(0, str::len);
    if uri_bytes > URI_BYTES_MAX {
        return Some(ProblemCode::UriTooLong);
    }
    let headers: &HeaderMap = request.headers();
    let header_bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || header_bytes > HEADER_BYTES_MAX {
        return Some(ProblemCode::HeadersTooLarge);
    }
    None
}

/// Logs a request that failed on the server's side.
fn log(problem: &LoggedProblem, route: &str, request_id: &HeaderValue) {
    let request_id = request_id.to_str().unwrap_or_default();
    let code = problem.code.as_str();
    let cause = problem.cause.as_deref();
    if problem.code == ProblemCode::Internal {
        tracing::error!(request_id, route, code, cause, "a request failed because of a bug");
    } else {
        tracing::info!(request_id, route, code, cause, "a request was not carried out");
    }
}

/// Creates a random request id.
fn new_request_id() -> HeaderValue {
    let text = HEXLOWER.encode(&rand::random::<[u8; 16]>());
    // Hex digits are always valid.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("-"))
}

/// Answers requests for paths that do not exist.
pub(crate) async fn no_such_path() -> Problem {
    ProblemCode::NotFound.into()
}

/// Answers methods that a path does not have. The router adds `Allow`, which is also all
/// that `OPTIONS` asks for.
pub(crate) async fn no_such_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Problem::from(ProblemCode::MethodNotAllowed).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn router() -> Router {
        let timeout = Duration::from_millis(50);
        Router::new()
            .route("/fine", get(async || "fine"))
            .route("/panics", get(async || -> &'static str { panic!("on purpose") }))
            .route("/hangs", get(std::future::pending::<&'static str>))
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(middleware::from_fn_with_state(timeout, around_request))
    }

    async fn call(request: axum::http::request::Builder) -> (Response, serde_json::Value) {
        let request = request.body(Body::empty()).expect("a request");
        let (head, body) = router().oneshot(request).await.expect("infallible").into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        (Response::from_parts(head, Body::empty()), json)
    }

    #[tokio::test]
    async fn every_failure_is_answered_with_a_problem() {
        for (path, method, code) in [
            ("/panics", "GET", "internal"),
            ("/hangs", "GET", "timed_out"),
            ("/nowhere", "GET", "not_found"),
            ("/fine", "POST", "method_not_allowed"),
            (&format!("/{}", "a".repeat(2048)), "GET", "uri_too_long"),
        ] {
            let (response, problem) = call(Request::builder().uri(path).method(method)).await;
            assert_eq!(problem["code"], code, "{path}");
            assert_eq!(problem["type"], format!("urn:quhao:problem/{code}"));
            assert_eq!(problem["status"], response.status().as_u16());
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers()[X_REQUEST_ID].len(), 32);
            assert!(response.extensions().get::<LoggedProblem>().is_none());
        }
        let (_, problem) =
            call(Request::builder().uri("/fine").header("x", "y".repeat(16_384))).await;
        assert_eq!(problem["code"], "headers_too_large");
    }

    #[tokio::test]
    async fn request_id_is_kept_if_fit_to_be_repeated() {
        let longest = "x".repeat(64);
        let too_long = "x".repeat(65);
        for (id, kept) in [("a-1", true), (&longest, true), (&too_long, false), ("a b", false)] {
            let (response, _) =
                call(Request::builder().uri("/fine").header(X_REQUEST_ID, id)).await;
            assert_eq!(response.headers()[X_REQUEST_ID] == id, kept, "{id}");
        }
        let twice =
            Request::builder().uri("/fine").header(X_REQUEST_ID, "a").header(X_REQUEST_ID, "b");
        assert_eq!(call(twice).await.0.headers()[X_REQUEST_ID].len(), 32);
    }

    #[tokio::test]
    async fn options_lists_the_methods() {
        let (response, _) = call(Request::builder().uri("/fine").method("OPTIONS")).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
    }
}
