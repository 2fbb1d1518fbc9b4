//! Probes, metrics and the API's own description.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quhao_backend::{
    queue::LinkStatus,
    store::{Store, clock_skew::off_by},
};
use quhao_common::process::metrics::Exporter;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::{sync::Mutex, time::Instant};
use utoipa::ToSchema;

use crate::{Edge, openapi_json};

/// How long a probe waits for the store: well within the second that orchestrators give a
/// probe by default, or a silent store would take every producer out.
const PROBE_LIMIT: Duration = Duration::from_millis(300);
/// How long what a probe found is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// One answer for all probes of a second.
#[derive(Debug, Default)]
pub(crate) struct StoreProbe(Mutex<Option<(Instant, Part)>>);

impl StoreProbe {
    async fn ask(&self, store: &Store) -> Part {
        // Held across the call on purpose: others want the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, part)) = *last
            && at.elapsed() < BELIEVED
        {
            return part;
        }
        let before = OffsetDateTime::now_utc();
        let part = match tokio::time::timeout(PROBE_LIMIT, store.now()).await {
            Ok(Ok(theirs)) if off_by(before, theirs, OffsetDateTime::now_utc()).is_some() => {
                Part::down("its clock and this process's are more than 5 seconds apart")
            }
            Ok(Ok(_)) => Part::UP,
            Ok(Err(_)) => Part::down("cannot be read"),
            Err(_) => Part::down("did not answer in time"),
        };
        *last = Some((Instant::now(), part));
        part
    }
}

/// One thing that a producer depends on.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
struct Part {
    /// Whether it works.
    up: bool,
    /// Why not; null while it works.
    #[schema(required = true)]
    reason: Option<&'static str>,
}

impl Part {
    const UP: Self = Self { up: true, reason: None };

    fn down(reason: &'static str) -> Self {
        Self { up: false, reason: Some(reason) }
    }
}

/// Whether to send requests here, and what does not work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether to send requests here: this process has its link to the queue and is not
    /// about to end. What every producer meets alike does not count.
    ready: bool,
    /// Whether this process finishes what it has and takes no more.
    draining: bool,
    /// The queue. Not ready without a link to it; a broker that takes nothing from anybody
    /// for a while is only named.
    queue: Part,
    /// The store. Submits are taken without it too, so it does not count for `ready`.
    store: Part,
}

/// That the process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Liveness {
    /// Always true.
    alive: bool,
}

/// Is the process alive?
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "operations",
    responses((status = 200, description = "It is", body = Liveness)))]
pub(crate) async fn livez() -> Json<Liveness> {
    Json(Liveness { alive: true })
}

/// Should requests be sent here?
///
/// Names every part that does not work, also those that do not make it unready.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "Yes", body = Readiness),
        (status = 503, description = "No: see which part is not up", body = Readiness),
    ))]
pub(crate) async fn readyz(State(edge): State<Arc<Edge>>) -> Response {
    let (queue, linked) = match edge.backend.queue.publishing() {
        LinkStatus::Up => (Part::UP, true),
        // Another producer would not be any better off.
        LinkStatus::Blocked(reason) => (Part::down(reason), true),
        LinkStatus::Down(reason) => (Part::down(reason), false),
    };
    let draining = edge.draining.is_cancelled();
    let store = edge.store_probe.ask(&edge.backend.store).await;
    let readiness = Readiness { ready: linked && !draining, draining, queue, store };
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// This description
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
pub(crate) async fn openapi() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(openapi_json);
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// `/metrics`, on the listener of its own.
pub(crate) async fn metrics(State(exporter): State<Exporter>) -> Exporter {
    exporter
}
