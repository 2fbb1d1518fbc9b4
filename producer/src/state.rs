//! The state that all handlers share, and the limits that requests are judged by.

use std::{sync::Arc, time::Duration};

use quhao_backend::backend::Backend;
use quhao_common::{config::Config, process::registry::Live};
use tokio_util::sync::CancellationToken;

use crate::{admission::Admission, rate_limit::RateLimits, store_probe::StoreProbe, wait::Waiters};

/// The state that all handlers share.
pub(crate) struct AppState {
    pub(crate) backend: Backend,
    pub(crate) live: Arc<Live>,
    pub(crate) rate_limits: RateLimits,
    pub(crate) admission: Admission,
    pub(crate) waiters: Waiters,
    pub(crate) store_probe: StoreProbe,
    /// Cancelled once the producer only finishes what it has.
    pub(crate) draining: CancellationToken,
    pub(crate) limits: Limits,
}

impl AppState {
    /// Creates the state of a producer that has served nothing yet.
    pub(crate) fn new(config: &Config, live: Arc<Live>, backend: Backend) -> Self {
        let draining = CancellationToken::new();
        Self {
            backend,
            live,
            rate_limits: RateLimits::default(),
            admission: Admission::default(),
            waiters: Waiters::new(config.http.waiters_max, draining.clone()),
            store_probe: StoreProbe::default(),
            draining,
            limits: Limits::new(config),
        }
    }
}

/// Limits that requests are judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time that a client may take to send a body.
    pub(crate) body_timeout: Duration,
    /// Largest `Prefer: wait`.
    pub(crate) wait_max: Duration,
    /// Time for a request as a whole. Everything in it has a limit of its own: only a bug
    /// reaches this one.
    pub(crate) request_timeout: Duration,
    /// Time after its deadline within which a job's outcome may still arrive.
    pub(crate) grace: Duration,
    /// Time after the deadline for which answers are kept.
    pub(crate) retention: Duration,
    /// Time for which an erasure is remembered.
    pub(crate) erasure_retention: Duration,
    /// Whether callback URLs may be plain http.
    pub(crate) allows_plain_http_callbacks: bool,
}

impl Limits {
    /// Derives the limits from the configuration.
    fn new(config: &Config) -> Self {
        /// What a request needs beside its waits: far more than it takes.
        const MARGIN: Duration = Duration::from_secs(5);
        let http = &config.http;
        let store = &config.store;
        Self {
            body_timeout: http.body_timeout,
            wait_max: http.wait_max,
            request_timeout: http.body_timeout
                + http.wait_max
                + config.queue.confirm_timeout
                + store.acquire_timeout
                + store.statement_timeout
                + MARGIN,
            grace: config.grace(),
            retention: store.retention,
            erasure_retention: config.erasure_retention(),
            allows_plain_http_callbacks: config.callbacks.allow_http,
        }
    }
}
