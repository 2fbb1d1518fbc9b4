//! Every route, layer and limit.
//!
//! What a request needs bounds how much happens at once:
//!
//! - requests: the listener's connections (one request each; a further connection is not
//!   accepted until one ends);
//! - submits: the queue's publish window, which answers at once when it is full;
//! - waiting requests: the waiters' capacity, which answers at once when it is used up;
//! - polls and erasures: the store's pool (a request that gets no connection in
//!   `store.acquire_timeout_seconds` is answered so).
//!
//! `Limits::request_timeout` ends everything else.

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use quhao_common::process::metrics::Exporter;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{description, erasures, http::access_log, jobs, ops, sessions, state::AppState};

/// Returns the API's routes with their description.
pub(crate) fn described() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::submit::submit))
        .routes(routes!(jobs::poll::poll, jobs::erase::erase))
        .routes(routes!(sessions::get_session))
        .routes(routes!(erasures::erase))
        .routes(routes!(ops::livez))
        .routes(routes!(ops::readyz))
        .routes(routes!(description::openapi))
        .routes(routes!(description::docs))
}

/// Returns the router of the API.
pub(crate) fn api(state: Arc<AppState>) -> Router {
    let (routes, _) = described().split_for_parts();
    with_layers(routes, state)
}

/// Returns the router of the operators' listener: metrics, and the probes once more, so
/// that they answer when the API has no connection left.
pub(crate) fn ops(state: Arc<AppState>, exporter: Exporter) -> Router {
    let routes = Router::new()
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .merge(Router::new().route("/metrics", get(ops::metrics)).with_state(exporter));
    with_layers(routes, state)
}

/// Adds the fallbacks and the layer around every request.
fn with_layers(routes: Router<Arc<AppState>>, state: Arc<AppState>) -> Router {
    let request_timeout = state.limits.request_timeout;
    routes
        .fallback(access_log::no_such_path)
        .method_not_allowed_fallback(access_log::no_such_method)
        .with_state(state)
        .layer(middleware::from_fn_with_state(request_timeout, access_log::around_request))
}
