//! Reload on SIGHUP: reads the configuration again, all layers and every secret's file.
//!
//! Clients, apps, numbered secrets, and the addresses for new connections to the servers take
//! effect at once. A configuration with an error is refused as a whole. Reloads do not overlap:
//! signals that arrive during one cause one more.

use std::{convert::Infallible, io, sync::Arc};

use quhao_backend::backend::Backend;
use quhao_common::{
    config::{Config, LoadOptions},
    process::{
        error_chain::with_causes,
        metrics::{self, ReloadResult},
        registry::{Live, Registry},
    },
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::spawn_blocking,
};
use tracing::{error, info, warn};

/// The SIGHUPs that this process receives. They no longer end the process.
#[derive(Debug)]
pub(crate) struct Hangups(Signal);

impl Hangups {
    /// Starts listening. A signal that arrives before [`Reload::run`] counts too.
    pub(crate) fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }
}

/// Reloads the configuration of a running process.
#[derive(Debug)]
pub(crate) struct Reload {
    /// Where the configuration is read from.
    pub(crate) options: LoadOptions,
    /// The configuration that the process was started with.
    pub(crate) started_with: Config,
    /// Clients, apps and secrets as the process uses them.
    pub(crate) live: Arc<Live>,
    /// Queue and store, whose new connections use the new addresses.
    pub(crate) backend: Backend,
}

impl Reload {
    /// Reloads at every signal, until dropped.
    pub(crate) async fn run(self, mut hangups: Hangups) -> Infallible {
        loop {
            if hangups.0.recv().await.is_none() {
                // The runtime is about to end.
                std::future::pending::<()>().await;
            }
            let result =
                if self.reload().await { ReloadResult::Applied } else { ReloadResult::Refused };
            metrics::config_reloaded(result);
        }
    }

    /// Reads the configuration and applies it. Returns whether it was applied.
    async fn reload(&self) -> bool {
        info!("SIGHUP: reloading the configuration");
        let options = self.options.clone();
        // Reading files blocks. The text of a panic could quote their content, so it is not logged.
        let Ok(loaded) = spawn_blocking(move || Config::load(&options)).await else {
            error!("reading the configuration panicked; the old configuration stays in force");
            return false;
        };
        let config = match loaded {
            Ok(config) => config,
            Err(errors) => {
                for error in errors.iter() {
                    error!(%error, "the configuration has an error");
                }
                let errors = errors.iter().count();
                error!(errors, "configuration refused; the old configuration stays in force");
                return false;
            }
        };
        // First, because it may refuse.
        if let Err(error) = self.backend.reconfigure(&config.queue, &config.store) {
            let error = with_causes(&error);
            error!(error, "configuration refused; the old configuration stays in force");
            return false;
        }
        self.apply(&config);
        true
    }

    fn apply(&self, config: &Config) {
        self.live.replace(Registry::of(config));
        let clients = config.directory.clients().count();
        let apps = config.directory.apps().count();
        info!(clients, apps, "configuration reloaded");
        let sections = self.started_with.sections_that_need_a_restart(config);
        if !sections.is_empty() {
            let sections = sections.join(", ");
            warn!(sections, "changes in these sections need a restart");
        }
    }
}
