//! What every job of this worker is worked on with.

use std::{sync::Arc, time::Duration};

use quhao_common::{
    app::{App, Directory},
    config::Config,
    job::Job,
    store::Store,
    vault::Vault,
};

use crate::platform::{Platform, Platforms};

/// Shared by all jobs, never changed.
#[derive(Debug)]
pub struct Context {
    /// Results and sessions.
    pub store: Arc<Store>,
    /// Opens and seals.
    pub vault: Arc<Vault>,
    /// Clients and apps.
    pub directory: Arc<Directory>,
    /// The platforms of this build.
    pub platforms: Platforms,
    /// How long a sibling's result may still be on its way: one call and its commit.
    pub sibling_grace: Duration,
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
            vault: Arc::clone(&config.vault),
            directory: Arc::clone(&config.directory),
            platforms,
            sibling_grace: config.platform_timeout() + config.store.statement_timeout,
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
    /// Its app.
    pub app: Arc<App>,
    /// Its app's platform.
    pub platform: Arc<dyn Platform>,
    /// The queue may have handed it out before.
    pub redelivered: bool,
}
