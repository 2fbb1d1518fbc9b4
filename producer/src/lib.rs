//! HTTP in, message out: the producer authenticates, checks and repairs a submission,
//! computes its id, seals it and publishes it once. It writes nothing else, so it works
//! while the store is down.
//!
//! Where things are: every route and limit in `router`, every HTTP status in
//! `problem_code`, accepting and draining connections in `quhao_common::process::http_server`.

mod admission;
mod docs;
mod erasures;
mod http;
mod jobs;
mod openapi;
mod ops;
mod rate_limit;
mod router;
mod sessions;
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
use tokio_util::sync::CancellationToken;

use crate::{admission::Admission, ops::StoreProbe, rate_limit::Rates, wait::Waiters};
pub use crate::{openapi::openapi_json, submission::base64_repair};

/// What every handler needs.
pub(crate) struct Edge {
    pub(crate) backend: Backend,
    pub(crate) live: Arc<Live>,
    pub(crate) rates: Rates,
    pub(crate) admission: Admission,
    pub(crate) waiters: Waiters,
    pub(crate) store_probe: StoreProbe,
    /// Cancelled once the producer only finishes what it has.
    pub(crate) draining: CancellationToken,
    pub(crate) limits: Limits,
}

/// What requests are judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a client may take to send a body.
    pub(crate) body: Duration,
    /// Largest `Prefer: wait`.
    pub(crate) wait_max: Duration,
    /// A request as a whole. Everything in it has a limit of its own: this one is met
    /// only by a bug.
    pub(crate) request: Duration,
    /// How long after its deadline a job's outcome may still arrive.
    pub(crate) grace: Duration,
    /// How long answers are kept after the deadline.
    pub(crate) retention: Duration,
    /// How long an erasure is remembered.
    pub(crate) erasure_retention: Duration,
    /// Whether callbacks may go in the clear.
    pub(crate) callbacks_plain_http: bool,
}

impl Limits {
    fn new(config: &Config) -> Self {
        let (http, queue, store) = (&config.http, &config.queue, &config.store);
        let store_call = store.acquire_timeout + store.statement_timeout;
        Self {
            body: http.body_timeout,
            wait_max: http.wait_max,
            request: http.body_timeout
                + http.wait_max
                + queue.confirm_timeout
                + store_call
                + Duration::from_secs(5),
            grace: config.grace(),
            retention: store.retention,
            erasure_retention: config.erasure_retention(),
            callbacks_plain_http: config.callbacks.allow_http,
        }
    }
}

/// One producer: the API and the metrics listener.
pub struct Producer {
    edge: Arc<Edge>,
    api: Listener,
    metrics: Listener,
    exporter: Exporter,
    drain: Duration,
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
    /// Binds both listeners; port 0 takes a free one. Connections wait in the backlog
    /// until [`Producer::run`].
    pub async fn bind(
        config: &Config,
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
        let draining = CancellationToken::new();
        let edge = Arc::new(Edge {
            backend,
            live: Arc::clone(&config.live),
            rates: Rates::default(),
            admission: Admission::default(),
            waiters: Waiters::new(http.waiters_max, draining.clone()),
            store_probe: StoreProbe::default(),
            draining,
            limits: Limits::new(config),
        });
        Ok(Self { edge, api, metrics, exporter, drain: config.drain })
    }

    /// Where the API listens.
    pub fn address(&self) -> SocketAddr {
        self.api.address()
    }

    /// Where metrics and probes listen.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics.address()
    }

    /// Serves until `shutdown` is cancelled, then drains, within the configured time:
    /// readiness goes off, no connection is taken, whoever waits is answered that the job
    /// is queued, and what is in flight is finished. Queue and store stay open: they are
    /// the caller's.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { edge, api, metrics, exporter, drain } = self;
        let drained = CancellationToken::new();
        let stop_after_us = drained.clone().drop_guard();

        let waiting = tokio::spawn(wait::watch_store(Arc::clone(&edge), drained.clone()));
        let (watched, stop) = (Arc::clone(&edge), drained.clone());
        let admitting =
            tokio::spawn(
                async move { watched.admission.watch(&watched.backend.queue, stop).await },
            );
        // Probes and metrics stay while the API drains: that is when they are looked at.
        let probes = tokio::spawn(metrics.serve(
            router::ops(Arc::clone(&edge), exporter),
            drained.clone(),
            http_server::OPS_DRAIN,
        ));
        let pass_on = async {
            shutdown.cancelled().await;
            edge.draining.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = api.serve(router::api(Arc::clone(&edge)), edge.draining.clone(), drain) => {}
            () = pass_on => {}
        }

        drop(stop_after_us);
        for task in [waiting, admitting, probes] {
            if let Err(error) = task.await {
                // Its text would quote the panic's.
                tracing::error!(panic = error.is_panic(), "a task of the producer broke");
            }
        }
    }
}
