//! SIGHUP: the configuration is read again, all layers and every secret's file.
//!
//! What may change at once are clients, apps and numbered secrets, and the addresses that
//! new connections to the servers use. A configuration with an error is refused as a
//! whole. One reading at a time: signals that come meanwhile make one more.

use std::{convert::Infallible, io, sync::Arc};

use quhao_backend::backend::Backend;
use quhao_common::{
    config::{Config, LoadOptions},
    process::{error_chain::with_causes, metrics},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
};
use tracing::{error, info, warn};

/// The SIGHUPs that this process gets. As long as the process lives they do not end it.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// From now on; one that comes before [`Reload::run`] counts too.
    pub(crate) fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// What a running process needs to take over another configuration.
#[derive(Debug)]
pub(crate) struct Reload {
    /// Where the configuration is.
    pub(crate) options: LoadOptions,
    /// What the process was started with.
    pub(crate) started_with: Config,
    /// What connects.
    pub(crate) backend: Backend,
}

impl Reload {
    /// Reads again at every signal, until dropped. What is read then is forgotten.
    pub(crate) async fn run(self, mut hangups: Hangups) -> Infallible {
        loop {
            if hangups.0.recv().await.is_none() {
                // The runtime is about to end.
                std::future::pending::<()>().await;
            }
            let result = if self.reload().await { "applied" } else { "refused" };
            metrics::config_reloaded(result);
        }
    }

    /// Whether there is another configuration in force now.
    async fn reload(&self) -> bool {
        info!("SIGHUP: reading the configuration again");
        let options = self.options.clone();
        // It reads files. The text of a panic would quote what stands in them.
        let Ok(loaded) = spawn_blocking(move || Config::load(&options)).await else {
            error!("reading the configuration panicked; what was in force stays");
            return false;
        };
        let config = match loaded {
            Ok(config) => config,
            Err(errors) => {
                for error in errors.iter() {
                    error!(%error, "wrong in the configuration");
                }
                let errors = errors.iter().count();
                error!(errors, "the configuration is refused as a whole; what was in force stays");
                return false;
            }
        };
        // Before anything changes: it may refuse.
        if let Err(error) = self.backend.reconfigure(&config.queue, &config.store) {
            let error = with_causes(&error);
            error!(error, "the configuration is refused as a whole; what was in force stays");
            return false;
        }
        self.apply(&config);
        true
    }

    fn apply(&self, config: &Config) {
        let registry = config.live.now();
        let (clients, apps) =
            (registry.directory.clients().count(), registry.directory.apps().count());
        self.started_with.live.replace(Arc::clone(&registry));
        info!(clients, apps, "the configuration was reloaded");
        let sections = self.started_with.sections_that_need_a_restart(config);
        if !sections.is_empty() {
            let sections = sections.join(", ");
            warn!(sections, "what changed in these sections needs a restart");
        }
    }
}
