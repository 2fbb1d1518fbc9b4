//! The processes of a world, by role.

use std::{path::Path, time::Duration};

use serde_json::Value;

use crate::{client::Client, process::Process, wait::eventually};

/// Longest that a process may take from its start to its readiness.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A process that answers HTTP.
#[derive(Debug)]
pub struct Producer {
    /// The process.
    pub process: Process,
    /// Where its API listens.
    pub address: String,
    /// Where its metrics listen.
    pub metrics: String,
}

/// A process that works on jobs.
#[derive(Debug)]
pub struct Worker {
    /// The process.
    pub process: Process,
    /// Where its metrics and readiness listen.
    pub metrics: String,
}

/// Starts the one process of embedded mode and waits until both of its roles are ready.
pub(super) async fn serve(config: &Path) -> Producer {
    let mut serving = producer("serve", config, &[]).await;
    let fields = serving.process.wait_for_log("worker running", START_LIMIT).await;
    ready(&text(&fields, "metrics")).await;
    serving
}

/// Starts a process that answers HTTP and waits until it is ready.
pub(super) async fn producer(command: &str, config: &Path, variables: &[(&str, &str)]) -> Producer {
    let mut process = spawn(command, config, variables);
    let fields = process.wait_for_log("producer listening", START_LIMIT).await;
    let address = text(&fields, "http");
    ready(&address).await;
    Producer { process, address, metrics: text(&fields, "metrics") }
}

/// Starts a process that runs jobs and waits until it is ready: subscribed, not merely alive.
pub(super) async fn worker(config: &Path, variables: &[(&str, &str)]) -> Worker {
    let mut process = spawn("worker", config, variables);
    let fields = process.wait_for_log("worker running", START_LIMIT).await;
    let metrics = text(&fields, "metrics");
    ready(&metrics).await;
    Worker { process, metrics }
}

/// Waits until the process that listens on `address` is ready: it listens before its links
/// are up.
async fn ready(address: &str) {
    let client = Client::new(address, "").with_key(None);
    eventually(&format!("{address} is ready"), START_LIMIT, || async {
        (client.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

fn spawn(command: &str, config: &Path, variables: &[(&str, &str)]) -> Process {
    Process::spawn(&[command.as_ref(), "--config".as_ref(), config.as_os_str()], variables)
}

/// Returns a text field of a log line.
pub(super) fn text(fields: &Value, name: &str) -> String {
    fields[name].as_str().unwrap_or_else(|| panic!("no text {name:?} in {fields}")).to_owned()
}
