//! What every job of this worker is worked on with.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::Store;
use quhao_common::{
    config::Config,
    domain::{app::App, job::Job},
    process::registry::{Live, Registry},
};
use time::OffsetDateTime;

use crate::{
    circuit_breaker::Circuits,
    platform::{Platform, Platforms},
};

/// Shared by all jobs.
#[derive(Debug)]
pub struct Context {
    /// Results and sessions.
    pub store: Arc<Store>,
    /// Clients, apps and secrets.
    pub live: Arc<Live>,
    /// The platforms of this build.
    pub platforms: Platforms,
    /// Which apps are left alone for a while.
    pub circuits: Arc<Circuits>,
    /// How long a sibling's result may still be on its way: one call and its commit.
    pub sibling_grace: Duration,
    /// How long after its deadline a job's outcome may still be on its way.
    pub grace: Duration,
    /// How long answers are kept after their job's deadline.
    pub retention: Duration,
    /// How long sessions are kept after their exchange.
    pub session_retention: Duration,
}

impl Context {
    /// The context that `config` describes.
    pub fn new(config: &Config, store: Arc<Store>, platforms: Platforms) -> Self {
        Self {
            store,
            live: Arc::clone(&config.live),
            platforms,
            circuits: Arc::default(),
            sibling_grace: config.platform_timeout() + config.store.statement_timeout,
            grace: config.grace(),
            retention: config.store.retention,
            session_retention: config.store.session_retention,
        }
    }
}

/// A job that this worker has taken, with what it needs.
#[derive(Debug)]
pub struct Taken {
    /// The job.
    pub job: Job,
    /// Clients, apps and secrets as they were when it was taken.
    pub registry: Arc<Registry>,
    /// Its app.
    pub app: Arc<App>,
    /// Its app's platform.
    pub platform: Arc<dyn Platform>,
    /// When it was taken.
    pub taken_at: OffsetDateTime,
    /// The queue may have handed it out before.
    pub redelivered: bool,
}
