//! Probes and metrics.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use quhao_backend::queue::LinkStatus;
use quhao_common::process::metrics::Exporter;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{state::AppState, store_probe::StoreStatus};

/// The status of one thing that a producer depends on.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Part)]
struct DependencyStatus {
    /// Whether it works.
    up: bool,
    /// Why it does not work; null while it works.
    #[schema(required = true)]
    reason: Option<&'static str>,
}

impl DependencyStatus {
    const UP: Self = Self { up: true, reason: None };

    /// Returns the status of a dependency that does not work for `reason`.
    fn down(reason: &'static str) -> Self {
        Self { up: false, reason: Some(reason) }
    }
}

/// Whether to send requests here, and what does not work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether to send requests here: this process has its link to the queue and is not
    /// about to end. Troubles that all producers share do not count.
    ready: bool,
    /// Whether this process finishes what it has and takes no more.
    draining: bool,
    /// The queue. Not ready without a link to it; a broker that accepts nothing from any
    /// producer for a while is only reported.
    queue: DependencyStatus,
    /// The store. Submits are accepted without it too, so it does not count for `ready`.
    store: DependencyStatus,
}

/// That the process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// Always true.
    alive: bool,
}

/// Tells that the process is alive
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "operations",
    responses((status = 200, description = "It is alive", body = Liveness)))]
pub(crate) async fn livez() -> Json<Liveness> {
    Json(Liveness { alive: true })
}

/// Tells whether requests should be sent here
///
/// Names every part that does not work, also those that do not make it unready.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready: see which part is not up", body = Readiness),
    ))]
pub(crate) async fn readyz(State(state): State<Arc<AppState>>) -> Response {
    let (queue, has_link) = match state.backend.queue.publishing() {
        LinkStatus::Up => (DependencyStatus::UP, true),
        // Another producer would not be any better off.
        LinkStatus::Blocked(reason) => (DependencyStatus::down(reason), true),
        LinkStatus::Down(reason) => (DependencyStatus::down(reason), false),
    };
    let draining = state.draining.is_cancelled();
    let store = match state.store_probe.status(&state.backend.store).await {
        StoreStatus::Up => DependencyStatus::UP,
        StoreStatus::Down(reason) => DependencyStatus::down(reason),
    };
    let readiness = Readiness { ready: has_link && !draining, draining, queue, store };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// Answers `/metrics`, on the operators' listener.
pub(crate) async fn metrics(State(exporter): State<Exporter>) -> Exporter {
    exporter
}
