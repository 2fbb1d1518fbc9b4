//! HTTP in, message out: the producer authenticates, checks and repairs a submission,
//! computes its id, seals it and publishes it once. It writes nothing else, so it works
//! while the store is down.
//!
//! Where things are: every route and limit in `router`, every HTTP status in
//! `http::problem_code`, accepting and draining connections in
//! `quhao_common::process::http_server`.

mod admission;
mod description;
mod erasures;
mod http;
mod jobs;
mod openapi;
mod ops;
mod rate_limit;
mod router;
mod sessions;
mod state;
mod store_probe;
mod submission;
mod wait;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quhao_backend::backend::Backend;
use quhao_common::{
    config::Config,
    process::{
        http_server::{self, Listener},
        metrics::Exporter,
        registry::Live,
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::state::AppState;
pub use crate::{openapi::openapi_json, submission::base64_repair};

/// One producer: the API and the metrics listener.
pub struct Producer {
    state: Arc<AppState>,
    api: Listener,
    metrics: Listener,
    exporter: Exporter,
    drain_max: Duration,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("address", &self.address())
            .field("metrics_address", &self.metrics_address())
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// Binds both listeners; port 0 takes a free port. Connections wait in the backlog
    /// until [`Producer::run`].
    pub async fn bind(
        config: &Config,
        live: Arc<Live>,
        backend: Backend,
        exporter: Exporter,
    ) -> std::io::Result<Self> {
        let http = &config.http;
        let api = Listener::bind(http.listen, http.connections_max, http.header_timeout).await?;
        let metrics = Listener::bind(
            http.metrics_listen,
            http_server::OPS_CONNECTIONS_MAX,
            http.header_timeout,
        )
        .await?;
        let state = Arc::new(AppState::new(config, live, backend));
        Ok(Self { state, api, metrics, exporter, drain_max: config.drain })
    }

    /// Returns the address of the API's listener.
    pub fn address(&self) -> SocketAddr {
        self.api.address()
    }

    /// Returns the address of the listener for metrics and probes.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics.address()
    }

    /// Serves until `shutdown` is cancelled, then drains within the configured time:
    /// readiness turns off, no connection is accepted, waiting requests are answered that
    /// the job is queued, and requests in flight finish. Queue and store stay open: they
    /// belong to the caller.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { state, api, metrics, exporter, drain_max } = self;
        let drained = CancellationToken::new();
        let background = Background::start(&state, drained.clone());
        // Probes and metrics stay while the API drains: that is when operators look at them.
        let ops = tokio::spawn(metrics.serve(
            router::ops(Arc::clone(&state), exporter),
            drained,
            http_server::OPS_DRAIN,
        ));

        let begin_draining = async {
            shutdown.cancelled().await;
            state.draining.cancel();
            std::future::pending::<()>().await;
        };
        let serve_api =
            api.serve(router::api(Arc::clone(&state)), state.draining.clone(), drain_max);
        tokio::select! {
            () = serve_api => {}
            () = begin_draining => {}
        }

        background.stop().await;
        join(ops).await;
    }
}

/// The tasks that run beside the requests. Dropping it ends them.
struct Background {
    watching_store: JoinHandle<()>,
    watching_queue: JoinHandle<()>,
    stop: DropGuard,
}

impl Background {
    /// Starts the tasks; they end when `stop` is cancelled.
    fn start(state: &Arc<AppState>, stop: CancellationToken) -> Self {
        let store_state = Arc::clone(state);
        let store_stop = stop.clone();
        let watching_store = tokio::spawn(async move {
            let AppState { waiters, admission, backend, .. } = &*store_state;
            wait::watch_store(waiters, admission, &backend.store, store_stop).await;
        });
        let queue_state = Arc::clone(state);
        let queue_stop = stop.clone();
        let watching_queue = tokio::spawn(async move {
            let AppState { admission, backend, .. } = &*queue_state;
            admission.watch_depth(&backend.queue, queue_stop).await;
        });
        Self { watching_store, watching_queue, stop: stop.drop_guard() }
    }

    /// Cancels the token that the tasks were started with, and waits for them.
    async fn stop(self) {
        let Self { watching_store, watching_queue, stop } = self;
        drop(stop);
        join(watching_store).await;
        join(watching_queue).await;
    }
}

/// Waits for a task and logs if it panicked.
async fn join(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        // The error's text would quote the panic's.
        tracing::error!(panic = error.is_panic(), "a background task of the producer failed");
    }
}
