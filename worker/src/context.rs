//! What all jobs of a worker share.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::Store;
use quhao_common::{config::Config, process::registry::Live};

use crate::{circuit_breaker::CircuitBreakers, platform::Platforms};

/// The parts of a worker that all of its jobs share.
#[derive(Debug)]
pub(crate) struct Context {
    /// The store of answers and sessions.
    pub(crate) store: Arc<Store>,
    /// The clients, apps and secrets as they are now.
    pub(crate) live: Arc<Live>,
    /// The platforms of this build.
    pub(crate) platforms: Platforms,
    /// The circuit breakers of the apps whose calls fail.
    pub(crate) circuit_breakers: Arc<CircuitBreakers>,
    /// How long the result of a duplicate or a rival may still be on its way: one call and its
    /// commit.
    pub(crate) duplicate_grace: Duration,
    /// How long after its deadline a job's outcome may still be on its way.
    pub(crate) grace: Duration,
    /// How long answers are kept after their job's deadline.
    pub(crate) retention: Duration,
    /// How long sessions are kept after their exchange.
    pub(crate) session_retention: Duration,
}

impl Context {
    /// Creates the context that `config` describes.
    pub(crate) fn new(
        config: &Config,
        live: Arc<Live>,
        store: Arc<Store>,
        platforms: Platforms,
    ) -> Self {
        Self {
            store,
            live,
            platforms,
            circuit_breakers: Arc::default(),
            duplicate_grace: config.platform_timeout() + config.store.statement_timeout,
            grace: config.grace(),
            retention: config.store.retention,
            session_retention: config.store.session_retention,
        }
    }
}
