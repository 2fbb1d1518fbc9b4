//! Every route, layer and limit.
//!
//! How much happens at once is bounded by what it needs: requests by the listener's
//! connections (one each; a further one is not accepted until one ends), submits by the
//! queue's publish window and waiting requests by their places (full ones answer at once),
//! polls and erasures by the store's pool (who finds no connection in
//! `store.acquire_timeout_seconds` is told so). [`crate::Limits::request`] ends all else.

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use quhao_common::process::metrics::Exporter;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Edge, docs, erasures, http::access_log, jobs, ops, sessions};

/// The API's routes with their description.
pub(crate) fn described() -> OpenApiRouter<Arc<Edge>> {
    OpenApiRouter::new()
        .routes(routes!(jobs::submit::submit))
        .routes(routes!(jobs::poll::poll, jobs::erase::erase))
        .routes(routes!(sessions::look))
        .routes(routes!(erasures::erase))
        .routes(routes!(ops::livez))
        .routes(routes!(ops::readyz))
        .routes(routes!(ops::openapi))
        .routes(routes!(docs::docs))
}

/// The API.
pub(crate) fn api(edge: Arc<Edge>) -> Router {
    let (routes, _) = described().split_for_parts();
    finished(routes, edge)
}

/// What only operators reach: metrics, and the probes once more, so that they answer when
/// the API has no connection left.
pub(crate) fn ops(edge: Arc<Edge>, exporter: Exporter) -> Router {
    let routes = Router::new()
        .route("/livez", get(ops::livez))
        .route("/readyz", get(ops::readyz))
        .merge(Router::new().route("/metrics", get(ops::metrics)).with_state(exporter));
    finished(routes, edge)
}

fn finished(routes: Router<Arc<Edge>>, edge: Arc<Edge>) -> Router {
    let limit = edge.limits.request;
    routes
        .fallback(access_log::no_such_path)
        .method_not_allowed_fallback(access_log::no_such_method)
        .with_state(edge)
        .layer(middleware::from_fn_with_state(limit, access_log::observe))
}
