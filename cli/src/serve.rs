//! `quhao serve`, `quhao producer`, `quhao worker`: the roles.

mod reload;
mod role;
mod running;

use std::{path::PathBuf, sync::Arc};

use quhao_common::{
    config::{Config, LoadOptions},
    process::telemetry,
};
use tracing::{info, warn};

use self::reload::{Hangups, Reload};
pub(crate) use self::{role::Role, running::Running};
use crate::{
    config,
    exit::{CommandResult, Exit},
    shutdown,
};

/// Runs `role` until SIGTERM or SIGINT, then drains. SIGHUP reloads the configuration, but not
/// during the drain.
pub(crate) async fn run(role: Role, file: Option<PathBuf>) -> CommandResult {
    let options = LoadOptions::of_process(file.clone());
    let config =
        if role == Role::Both { config::load_or_explain(file)? } else { config::load(file)? };
    refuse_one_role_of_embedded_mode(role, &config)?;
    telemetry::init(&config.log)?;
    for file in &config.exposed_files {
        let file = file.display();
        warn!(%file, "this configuration file contains secrets and others can read it; run chmod 600");
    }
    raise_descriptor_limit(config.http.connections_max);
    let stop = shutdown::signals()?;
    let hangups = Hangups::listen()?;
    let running = tokio::select! {
        running = Running::start(&config, role) => running?,
        () = stop.cancelled() => return Ok(()),
    };
    let reload = Reload {
        options,
        started_with: config,
        live: Arc::clone(running.live()),
        backend: running.backend().clone(),
    };
    let broken = tokio::select! {
        part = running.broken() => Some(part),
        never = reload.run(hangups) => match never {},
        () = stop.cancelled() => None,
    };
    running.drain().await;
    info!("drained");
    match broken {
        Some(part) => Err(Exit::failed(format!("the {part} ended by itself"))),
        None => Ok(()),
    }
}

/// Raises the limit of file descriptors as far as the system allows. Every connection needs one,
/// and most systems start a process with 1024.
fn raise_descriptor_limit(connections_max: usize) {
    /// Descriptors for broker, store, platform and log.
    const OTHERS: u64 = 256;
    let wanted = connections_max as u64 + OTHERS;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < wanted => warn!(
            limit,
            wanted,
            "fewer file descriptors than http.connections_max may need; raise the limit (ulimit -n)"
        ),
        Ok(_) => {}
        Err(error) => {
            warn!(%error, "could not raise the limit of file descriptors; it stays as it was");
        }
    }
}

/// Refuses to run one role alone on an SQLite file, which belongs to one process: the other role
/// could not reach it.
fn refuse_one_role_of_embedded_mode(role: Role, config: &Config) -> CommandResult {
    if role == Role::Both || !config.is_embedded() {
        return Ok(());
    }
    let alone = if role == Role::Producer { "producer" } else { "worker" };
    Err(Exit::misused(format!(
        "queue.url and store.url are `sqlite:`, and an SQLite file belongs to one process: run \
         `quhao serve`, or give both a server to run `quhao {alone}` alone"
    )))
}
