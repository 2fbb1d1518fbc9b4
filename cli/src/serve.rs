//! `quhao serve`, `quhao producer`, `quhao worker`: the roles.

mod reload;
mod running;

use std::path::PathBuf;

use quhao_common::{
    config::{Config, LoadOptions},
    process::telemetry,
};
use tracing::{info, warn};

use self::reload::{Hangups, Reload};
pub(crate) use self::running::Running;
use crate::{
    config,
    exit::{Done, Exit},
    shutdown,
};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// HTTP in, queue out.
    Producer,
    /// Queue in, results out.
    Worker,
    /// Both, in one process.
    Both,
}

impl Role {
    /// Whether it takes submissions.
    pub(crate) fn produces(self) -> bool {
        self != Self::Worker
    }

    /// Whether it works on jobs.
    pub(crate) fn works(self) -> bool {
        self != Self::Producer
    }
}

/// Runs `role` until a signal to end, then drains. SIGHUP has it read its configuration
/// again, but not while it drains.
pub(crate) async fn run(role: Role, file: Option<PathBuf>) -> Done {
    let options = LoadOptions::of_process(file.clone());
    let config =
        if role == Role::Both { config::load_or_explain(file)? } else { config::load(file)? };
    refuse_half_of_an_embedded_mode(role, &config)?;
    telemetry::init(&config.log)?;
    for file in &config.exposed_files {
        let file = file.display();
        warn!(%file, "others on this machine can read this file, and secrets stand in it: chmod 600");
    }
    raise_descriptor_limit(config.http.connections_max);
    let stop = shutdown::signals()?;
    let hangups = Hangups::listen()?;
    let running = tokio::select! {
        running = Running::start(&config, role) => running?,
        () = stop.cancelled() => return Ok(()),
    };
    let reload = Reload { options, started_with: config, backend: running.backend().clone() };
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

/// Every connection is a file descriptor, and most systems start a process with 1024 of
/// them although it may have more.
fn raise_descriptor_limit(connections_max: usize) {
    // Those of the links, the store, the platform and the log.
    const OURS: u64 = 256;
    let wanted = connections_max as u64 + OURS;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < wanted => warn!(
            limit,
            wanted, "fewer file descriptors than http.connections_max may need; raise the limit"
        ),
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of file descriptors is as it was"),
    }
}

/// An embedded database has one process, so neither role could reach the other.
fn refuse_half_of_an_embedded_mode(role: Role, config: &Config) -> Done {
    if role == Role::Both || !config.is_embedded() {
        return Ok(());
    }
    let alone = if role == Role::Producer { "producer" } else { "worker" };
    Err(Exit::misused(format!(
        "queue.url and store.url are `sqlite:`, and an SQLite file belongs to one process: run \
         `quhao serve`, or give both a server to run `quhao {alone}` alone"
    )))
}
