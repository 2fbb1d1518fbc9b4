//! The configuration: one typed tree, checked once, passed in sections to whoever needs
//! them. Every key, its default and its meaning are in `config.default.toml`.
//!
//! [`Config::load`] merges the layers (`layers::load`), refuses what the schema does not know
//! (`layers::tree`), and reads the rest key by key (`layers::reader`, and a file for each
//! section), noting every error.

mod apps;
pub mod broker_address;
mod callbacks;
mod clients;
mod http;
mod layers;
mod log;
mod queue;
mod sqlite_path;
mod store;
pub mod store_address;
mod third_party_platform;
mod wechat;
mod worker;
#[cfg(test)]
mod tests;

pub(crate) use self::log::parse_filter;
pub use self::{
    callbacks::Callbacks,
    http::Http,
    layers::{
        effective::effective_toml,
        error::{ConfigError, ConfigErrors, Problem},
        example::minimal_example,
        load::{DEFAULT_FILE, FILTER_VARIABLE, LoadOptions},
        origin::Origin,
        reference::reference_markdown,
        schema::DEFAULTS,
    },
    log::{Log, LogFormat},
    queue::{Queue, QueueUrl},
    store::{Store, StoreUrl},
    wechat::Wechat,
    worker::Worker,
};

use std::{path::PathBuf, sync::Arc, time::Duration};

use self::layers::{exposed, load, reader::Section, secrets, tree::Tree};
use crate::{
    crypto::vault::Vault,
    domain::{directory::Directory, id::IdKeys, job::DEADLINE_SECONDS},
};

/// Everything that a process is configured with.
#[derive(Debug)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[queue]`
    pub queue: Queue,
    /// `[store]`
    pub store: Store,
    /// `[worker]`
    pub worker: Worker,
    /// `[platforms.wechat]`
    pub wechat: Wechat,
    /// `[callbacks]`
    pub callbacks: Callbacks,
    /// `[log]`
    pub log: Log,
    /// `[[clients]]` and `[[apps]]`
    pub directory: Arc<Directory>,
    /// `secrets.id`
    pub id_keys: IdKeys,
    /// `secrets.seal`
    pub vault: Arc<Vault>,
    /// Limit of a process's end after SIGTERM.
    pub drain: Duration,
    /// Configuration files that contain a secret and that others can read.
    pub exposed_files: Vec<PathBuf>,
}

impl Config {
    /// Reads and checks the configuration. All errors are reported at once, and none quotes a
    /// value. Reads files; meant for the start of a process.
    pub fn load(options: &LoadOptions) -> Result<Self, ConfigErrors> {
        let mut tree = load::load(options);
        let mut errors = std::mem::take(&mut tree.errors);
        let config = read(&tree, &mut errors);
        if tree.incomplete {
            errors.retain(|error| !matches!(error.problem, Problem::Missing { .. }));
        }
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors::new(errors)),
        }
    }

    /// Returns whether queue and store are files of this process alone: then there is no other
    /// process, and no role by itself.
    pub fn is_embedded(&self) -> bool {
        matches!(self.queue.url, QueueUrl::Sqlite(_))
    }

    /// Returns how long after a job's deadline an outcome may still arrive: the call that
    /// started in time, its commit, and five seconds.
    pub fn grace(&self) -> Duration {
        self.platform_timeout() + self.store.statement_timeout + Duration::from_secs(5)
    }

    /// Returns how long an erasure is remembered: longer than any row that an earlier job can
    /// write.
    pub fn erasure_retention(&self) -> Duration {
        let latest = Duration::from_secs(*DEADLINE_SECONDS.end()) + self.grace();
        self.store.retention.max(self.store.session_retention) + latest
    }

    /// Returns the longest time that a call to any platform may take.
    pub fn platform_timeout(&self) -> Duration {
        self.wechat.timeout
    }

    /// Returns the sections that differ in `other` and that a running process does not take
    /// over, so that it needs a restart for them. Clients, apps, their third-party platform,
    /// numbered secrets and the addresses of servers are taken over.
    pub fn sections_that_need_a_restart(&self, other: &Self) -> Vec<&'static str> {
        let sections = [
            ("drain_seconds", self.drain == other.drain),
            ("[http]", self.http == other.http),
            ("[queue]", self.queue.with_address_of(&other.queue) == other.queue),
            ("[store]", self.store.with_address_of(&other.store) == other.store),
            ("[worker]", self.worker == other.worker),
            ("[platforms.wechat]", self.wechat == other.wechat),
            ("[callbacks]", self.callbacks == other.callbacks),
            ("[log]", self.log == other.log),
        ];
        let differing = sections.into_iter().filter(|(_, is_same)| !is_same);
        differing.map(|(section, _)| section).collect()
    }
}

/// Reads every section, so that one error does not hide another.
fn read(tree: &Tree, errors: &mut Vec<ConfigError>) -> Option<Config> {
    let drain = Section::of(tree, "", errors).whole_seconds("drain_seconds", 1..=600);
    let http = http::read(Section::of(tree, "http", errors));
    let queue_url = queue::read_url(&mut Section::of(tree, "queue", errors));
    let store_url = store::read_url(&mut Section::of(tree, "store", errors), queue_url.as_ref());
    let queue = queue::read(Section::of(tree, "queue", errors), queue_url);
    let store = store::read(Section::of(tree, "store", errors), store_url);
    let worker = worker::read(Section::of(tree, "worker", errors));
    let id = secrets::keyring(&mut Section::of(tree, "secrets", errors), "id");
    let seal = secrets::keyring(&mut Section::of(tree, "secrets", errors), "seal");
    let wechat = wechat::read(Section::of(tree, "platforms.wechat", errors));
    let log = log::read(Section::of(tree, "log", errors));
    let callbacks = callbacks::read(Section::of(tree, "callbacks", errors));
    let third_party_platform =
        third_party_platform::read(&mut Section::of(tree, "platforms.wechat", errors));
    let clients = clients::read(tree, errors);
    let apps = apps::read(tree, &clients, third_party_platform, errors);
    Some(Config {
        http: http?,
        queue: queue?,
        store: store?,
        worker: worker?,
        wechat: wechat?,
        callbacks: callbacks?,
        log: log?,
        directory: Arc::new(Directory::new(clients.valid, apps)),
        id_keys: IdKeys::new(id?),
        vault: Arc::new(Vault::new(&seal?)),
        drain: drain?,
        exposed_files: exposed::files(tree),
    })
}
