//! The configuration: one typed tree, checked once, passed in sections to whoever needs
//! them. Every key, its default and its meaning stand in `config.default.toml`.
//!
//! [`Config::load`] merges the layers (`load`), refuses what `schema` does not know (`tree`),
//! and reads the rest key by key (`reader`, `sections`, `directory`), noting every error.

mod callbacks;
mod component;
mod directory;
mod layers;
pub mod postgres_address;
mod sections;
#[cfg(test)]
mod tests;
mod urls;

pub use callbacks::Callbacks;
pub use layers::{
    effective::effective_toml,
    error::{ConfigError, ConfigErrors, Origin, Problem},
    example::minimal_example,
    load::{DEFAULT_FILE, FILTER_VARIABLE, LoadOptions},
    reference::reference_markdown,
    schema::DEFAULTS,
};

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use secrecy::SecretString;
use url::Url;

use self::layers::{exposed, load, reader::Section, secrets, tree};
use crate::{
    crypto::vault::Vault,
    domain::{id::IdKeys, job::DEADLINE_SECONDS},
    process::registry::{Live, Registry},
};

/// Everything that a process is told.
#[derive(Debug)]
pub struct Config {
    /// The producer's HTTP side.
    pub http: Http,
    /// The queue seam.
    pub queue: Queue,
    /// The store seam.
    pub store: Store,
    /// The worker.
    pub worker: Worker,
    /// Clients, apps and numbered secrets: what a running process may be told anew.
    pub live: Arc<Live>,
    /// WeChat.
    pub wechat: Wechat,
    /// Word of results.
    pub callbacks: Callbacks,
    /// Log lines.
    pub log: Log,
    /// How long a process may take to end after SIGTERM.
    pub drain: Duration,
    /// Configuration files that hold a secret in the clear and that others can read.
    pub exposed_files: Vec<PathBuf>,
}

/// `[http]`
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the producer's metrics listen.
    pub metrics_listen: SocketAddr,
    /// Connections at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// How long a client may take to send its headers.
    pub header_timeout: Duration,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// Largest `Prefer: wait`.
    pub wait_max: Duration,
    /// Requests that may wait at once, and half of them for one client where there are
    /// several; beyond, a submit is answered 202 at once.
    pub waiters_max: usize,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Which broker or file.
    pub url: QueueUrl,
    /// First part of every name at the broker.
    pub prefix: String,
    /// How long a submit waits for the confirm.
    pub confirm_timeout: Duration,
    /// Publishes in flight at once; beyond, a submit is answered 503 `overloaded`.
    pub publish_window: usize,
    /// AMQP heartbeat: a dead peer is noticed after twice this.
    pub heartbeat: Duration,
    /// Limit of one attempt to connect.
    pub connect_timeout: Duration,
    /// Jobs that the queue holds at most; beyond, submits are refused.
    pub length_max: u64,
    /// Times a delivery may come back before it is set aside.
    pub delivery_limit: u32,
}

/// `queue.url`
#[derive(Debug, Clone)]
pub enum QueueUrl {
    /// `amqp://` or `amqps://`. May hold a password.
    Amqp(SecretString),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

/// `[store]`
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Which database.
    pub url: StoreUrl,
    /// Connections at most.
    pub connections_max: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take, and a batch's commit.
    pub statement_timeout: Duration,
    /// How long answers are kept after their job's deadline.
    pub retention: Duration,
    /// How long sessions are kept after their last exchange.
    pub session_retention: Duration,
}

/// `store.url`
#[derive(Debug, Clone)]
pub enum StoreUrl {
    /// `postgres://` or `postgresql://`. May hold a password.
    Postgres(SecretString),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

/// `[worker]`
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Jobs worked on at once in this process.
    pub concurrency: usize,
    /// Where the worker's metrics and readiness listen.
    pub metrics_listen: SocketAddr,
    /// Outcomes in one commit at most.
    pub batch_max: usize,
}

/// `[platforms.wechat]`, but for its third-party platform, which stands with the apps that it
/// looks after: [`crate::domain::app::Credential::Component`].
#[derive(Debug, Clone, PartialEq)]
pub struct Wechat {
    /// Where WeChat's server APIs are.
    pub base_url: Url,
    /// Oldest payload to accept; `None`: age is not checked.
    pub watermark_max_age: Option<Duration>,
    /// Limit of connecting, TLS included.
    pub connect_timeout: Duration,
    /// Limit of a call as a whole.
    pub timeout: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Text for people or JSON lines for machines.
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `quhao_worker=debug,info`.
    pub filter: String,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Config {
    /// Reads and checks the configuration. All errors come at once, none quotes a value.
    /// Reads files; meant for the start of a process.
    pub fn load(options: &LoadOptions) -> Result<Self, ConfigErrors> {
        let mut tree = load::load(options);
        let mut errors = std::mem::take(&mut tree.errors);
        let config = read(&tree, &mut errors);
        if tree.incomplete {
            errors.retain(|error| !matches!(error.problem, Problem::Missing { .. }));
        }
        config.filter(|_| errors.is_empty()).ok_or_else(|| ConfigErrors::new(errors))
    }

    /// Whether queue and store are files of this process alone: then there can be no
    /// other process, and no role by itself.
    pub fn is_embedded(&self) -> bool {
        matches!(self.queue.url, QueueUrl::Sqlite(_))
    }

    /// How long after a job's deadline an outcome may still be on its way: the call that
    /// started in time, its commit, and five seconds.
    pub fn grace(&self) -> Duration {
        self.platform_timeout() + self.store.statement_timeout + Duration::from_secs(5)
    }

    /// How long an erasure is remembered: longer than any row that an earlier job can write.
    pub fn erasure_retention(&self) -> Duration {
        let latest = Duration::from_secs(*DEADLINE_SECONDS.end()) + self.grace();
        self.store.retention.max(self.store.session_retention) + latest
    }

    /// The longest that a call to any platform may take.
    pub fn platform_timeout(&self) -> Duration {
        self.wechat.timeout
    }
}

fn read(tree: &tree::Tree, errors: &mut Vec<ConfigError>) -> Option<Config> {
    let drain = Section::of(tree, "", errors).whole("drain_seconds", 1, 1..=600);
    let http = sections::http(Section::of(tree, "http", errors));
    let queue_url = sections::queue_url(&mut Section::of(tree, "queue", errors));
    let store_url =
        sections::store_url(&mut Section::of(tree, "store", errors), queue_url.as_ref());
    let queue = sections::queue(Section::of(tree, "queue", errors), queue_url);
    let store = sections::store(Section::of(tree, "store", errors), store_url);
    let worker = sections::worker(Section::of(tree, "worker", errors));
    let id = secrets::keyring(&mut Section::of(tree, "secrets", errors), "id");
    let seal = secrets::keyring(&mut Section::of(tree, "secrets", errors), "seal");
    let wechat = sections::wechat(Section::of(tree, "platforms.wechat", errors));
    let log = sections::log(Section::of(tree, "log", errors));
    let callbacks = callbacks::read(Section::of(tree, "callbacks", errors));
    let component = component::read(&mut Section::of(tree, "platforms.wechat", errors));
    let directory = directory::read(tree, component, errors);
    Some(Config {
        http: http?,
        queue: queue?,
        store: store?,
        worker: worker?,
        live: Arc::new(Live::new(Registry {
            directory,
            id_keys: IdKeys::new(id?),
            vault: Vault::new(&seal?),
        })),
        wechat: wechat?,
        callbacks: callbacks?,
        log: log?,
        drain: drain?,
        exposed_files: exposed::files(tree),
    })
}
