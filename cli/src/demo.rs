//! `quhao demo`: the whole product in one process, with a simulated WeChat.

mod client;
mod finished_job;
mod page;
mod run;
mod table;

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::HEXLOWER;
use quhao_common::{
    config::{Config, FILTER_VARIABLE, LoadOptions},
    process::telemetry,
};
use quhao_simulator::{Options, Simulator};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::{
    client::{APP_ID, Client},
    page::Page,
    table::Table,
};
use crate::{
    exit::{CommandResult, Exit},
    serve::{Role, Running},
    shutdown,
};

/// Time that every call to the simulated WeChat takes; `run` adds up to as much again.
const LATENCY: Duration = Duration::from_millis(60);
/// Life of a login code: a command that was printed hours ago still works.
const CODE_LIFE: Duration = Duration::from_hours(24);
/// Preferred port of the API; another is taken where it is in use.
const API_PORT: u16 = 8080;
/// Preferred port of the page; another is taken where it is in use.
const PAGE_PORT: u16 = 8081;

/// `quhao demo`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many jobs to submit
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// Exit after the jobs instead of serving the page; 0 only if every job got the right
    /// number
    #[arg(long)]
    once: bool,
}

/// Runs the demo until it is done, or until a signal.
pub(crate) async fn run(arguments: Arguments) -> CommandResult {
    let stop = shutdown::signals()?;
    let folder = private_folder()?;
    // With `--once` nobody opens the API, and several demos may run at once.
    let api = if arguments.once { loopback(0) } else { preferred(API_PORT) };
    let demo = tokio::select! {
        demo = Demo::start(folder.path(), api) => demo?,
        () = stop.cancelled() => return interrupted(&arguments),
    };
    let played = tokio::select! {
        played = demo.play(&arguments) => played,
        part = demo.running.broken() => Err(Exit::failed(format!("the {part} ended by itself"))),
        () = stop.cancelled() => interrupted(&arguments),
    };
    demo.stop().await;
    played
}

/// Returns the result of a demo that a signal ended: with `--once` jobs are missing.
fn interrupted(arguments: &Arguments) -> CommandResult {
    if arguments.once { Err(Exit::Failed(None)) } else { Ok(()) }
}

/// The running parts of the demo.
struct Demo {
    simulator: Arc<Simulator>,
    running: Running,
    client: Client,
    api: String,
    api_key: String,
}

impl Demo {
    /// Starts simulator, producer and worker, with the API at `api`. All their files are in
    /// `folder`.
    async fn start(folder: &Path, api: SocketAddr) -> Result<Self, Exit> {
        let options = Options { code_life: CODE_LIFE, ..Options::default() };
        let simulator = Simulator::start(options).await.context("the simulator cannot listen")?;
        simulator.set_latency(LATENCY);

        let api_key = format!("demo_{}", HEXLOWER.encode(&random::<16>()?));
        let text = configuration(api, &simulator.base_url(), &api_key)?;
        let file = folder.join("quhao.toml");
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        // Only the log filter is taken from the environment: the demo is the same everywhere.
        let environment = env::vars_os().filter(|(name, _)| name == FILTER_VARIABLE).collect();
        let options = LoadOptions { file: Some(file), environment, ..LoadOptions::default() };
        let config = Config::load(&options)?;
        telemetry::init(&config.log)?;
        let running = Running::start(&config, Role::Both).await?;
        let api = running.api().context("a producer listens")?;
        Ok(Self {
            simulator: Arc::new(simulator),
            running,
            client: Client::new(api, &api_key)?,
            api: format!("http://{api}"),
            api_key,
        })
    }

    /// Runs the jobs, then serves the page.
    async fn play(&self, arguments: &Arguments) -> CommandResult {
        let mut table = Table::standard();
        table.head(arguments.jobs, run::concurrency(arguments.jobs))?;
        let mut jobs = Vec::with_capacity(arguments.jobs as usize);
        let took = run::submit_all(&self.simulator, &self.client, arguments.jobs, |job| {
            let shown = table.row(&job);
            jobs.push(job);
            shown
        })
        .await?;
        table.summary(&jobs, took)?;
        if arguments.once {
            let good = jobs.iter().all(|job| job.end.is_ok());
            return if good { Ok(()) } else { Err(Exit::Failed(None)) };
        }

        let page = Page::bind(loopback(PAGE_PORT)).await.context("the page cannot listen")?;
        table.next(&format!("http://{}", page.address()), &self.api, &self.api_key)?;
        page.run(Arc::clone(&self.simulator), self.client.clone()).await?;
        Ok(())
    }

    /// Stops the parts in order.
    async fn stop(self) {
        self.running.drain().await;
        if let Some(simulator) = Arc::into_inner(self.simulator) {
            simulator.stop().await;
        }
    }
}

/// Returns the text of a configuration with new secrets.
fn configuration(api: SocketAddr, platform: &str, api_key: &str) -> anyhow::Result<String> {
    let id = STANDARD.encode(random::<32>()?);
    let seal = STANDARD.encode(random::<32>()?);
    let digest = HEXLOWER.encode(&Sha256::digest(api_key));
    Ok(format!(
        r#"drain_seconds = 3

[http]
listen = "{api}"
metrics_listen = "127.0.0.1:0"

[queue]
url = "sqlite:quhao.db"

[store]
url = "sqlite:quhao.db"

[worker]
metrics_listen = "127.0.0.1:0"

[secrets]
id = ["k1:{id}"]
seal = ["k1:{seal}"]

[platforms.wechat]
base_url = "{platform}"

[log]
filter = "warn"

[[clients]]
name = "demo"
api_key_sha256 = ["{digest}"]

[[apps]]
id = "{APP_ID}"
client = "demo"
secret = "any-will-do"
"#
    ))
}

/// Returns `port` if it is free now, else any. Another program may take it before we do; then
/// the demo fails with a message and can be started again.
fn preferred(port: u16) -> SocketAddr {
    let wanted = loopback(port);
    match TcpListener::bind(wanted) {
        Ok(_) => wanted,
        Err(_) => loopback(0),
    }
}

/// Creates a folder that only this user can read; removed with its content when dropped.
fn private_folder() -> anyhow::Result<TempDir> {
    let private = fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("quhao-demo-").permissions(private).tempdir();
    folder.context("cannot create a temporary folder")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    OsRng.try_fill_bytes(&mut bytes).context("no randomness for secrets")?;
    Ok(bytes)
}
