//! What both processes of the baseline have in common.

use std::io::{self, Write};

use anyhow::Result;
use lapin::{Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};

/// The environment variables with the addresses: arguments would be visible to all.
pub(super) const AMQP_URL: &str = "QUHAO_BENCH_AMQP_URL";
pub(super) const DATABASE_URL: &str = "QUHAO_BENCH_DATABASE_URL";
pub(super) const PLATFORM_URL: &str = "QUHAO_BENCH_PLATFORM_URL";
pub(super) const QUEUE: &str = "QUHAO_BENCH_QUEUE";

/// The first word of the line that each process prints once it runs; its address follows,
/// if it has one.
pub(super) const READY: &str = "ready";

/// A job, as it is submitted and as it travels through the queue.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    #[serde(default)]
    pub(super) id: String,
    pub(super) app_id: String,
    pub(super) code: String,
    pub(super) encrypted_data: String,
    pub(super) iv: String,
}

/// Returns an environment variable.
pub(super) fn variable(name: &str) -> Result<String> {
    std::env::var(name).map_err(|_| anyhow::anyhow!("{name} is not set"))
}

/// Connects to the broker.
pub(super) async fn connect() -> Result<Connection> {
    Ok(Connection::connect(&variable(AMQP_URL)?, ConnectionProperties::default()).await?)
}

/// Prints the line by which the parent process knows that this one runs.
pub(super) fn ready(address: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{READY} {address}")?;
    out.flush()
}
