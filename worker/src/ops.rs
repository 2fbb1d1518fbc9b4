//! The worker's operational endpoints: alive, ready, metrics.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use quhao_backend::queue::Queue;
use quhao_common::process::{
    http_server::{Listener, OPS_DRAIN},
    metrics::Exporter,
};
use tokio_util::sync::CancellationToken;

use crate::health::Health;

/// Serves the endpoints until `shutdown`.
pub(crate) async fn serve(
    listener: Listener,
    health: Arc<Health>,
    queue: Arc<Queue>,
    exporter: Exporter,
    shutdown: CancellationToken,
) {
    let router = Router::new()
        .route("/livez", get(async || Json(serde_json::json!({"alive": true}))))
        .route("/readyz", get(async move || ready(&health, &queue)))
        .route("/metrics", get(async move || exporter));
    listener.serve(router, shutdown, OPS_DRAIN).await;
}

fn ready(health: &Health, queue: &Queue) -> Response {
    let readiness = health.readiness(queue);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}
