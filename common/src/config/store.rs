//! `[store]`

use std::{path::PathBuf, time::Duration};

use secrecy::ExposeSecret;

use super::{
    layers::{
        error::Problem,
        reader::Section,
        secrets::{self, Secret},
    },
    queue::QueueUrl,
    sqlite_path,
    store_address::{StoreAddress, StoreAddressError},
};

/// The forms of `store.url`.
const URL: &str = "a URL \"postgres://…\", or \"sqlite:PATH\" with the path of a file";
const MIXED: &str = "\"sqlite:\" and a server together: queue.url and store.url must both be \
                     servers or both be SQLite files";

/// `[store]`: what keeps results and sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// The database.
    pub url: StoreUrl,
    /// The most connections of one process.
    pub connections_max: u32,
    /// Limit of a call's wait for a connection.
    pub acquire_timeout: Duration,
    /// Limit of a statement, and of a batch's commit.
    pub statement_timeout: Duration,
    /// How long answers are kept after their job's deadline.
    pub retention: Duration,
    /// How long sessions are kept after their last exchange.
    pub session_retention: Duration,
}

/// `store.url`
#[derive(Debug, Clone, PartialEq)]
pub enum StoreUrl {
    /// `postgres://` or `postgresql://`
    Postgres(StoreAddress),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

impl Store {
    /// Returns these settings with the address of `other`, if both are servers: connections
    /// take a new address over, but a process cannot change to another kind of store.
    pub(super) fn with_address_of(&self, other: &Self) -> Self {
        let mut changed = self.clone();
        if let (StoreUrl::Postgres(_), StoreUrl::Postgres(_)) = (&self.url, &other.url) {
            changed.url = other.url.clone();
        }
        changed
    }
}

/// Reads `store.url`. `queue` is `None` if it was refused.
pub(super) fn read_url(section: &mut Section<'_>, queue: Option<&QueueUrl>) -> Option<StoreUrl> {
    let secret = secrets::read(section, "url")?;
    let problem = match (parse(&secret), queue) {
        (Err(expected), _) => Problem::Expected(expected),
        (Ok(StoreUrl::Sqlite(_)), Some(QueueUrl::Amqp(_)))
        | (Ok(StoreUrl::Postgres(_)), Some(QueueUrl::Sqlite(_))) => {
            Problem::Conflict(MIXED.to_owned())
        }
        (Ok(url), _) => return Some(url),
    };
    section.refuse(&secret.key, Some(secret.layer), problem);
    None
}

/// Parses `store.url`. An error says what was expected.
fn parse(secret: &Secret) -> Result<StoreUrl, String> {
    let text = secret.text.expose_secret();
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = sqlite_path::resolve(path, &secret.base).ok_or(URL)?;
        return Ok(StoreUrl::Sqlite(path));
    }
    match StoreAddress::parse(text) {
        Ok(address) => Ok(StoreUrl::Postgres(address)),
        Err(StoreAddressError::Form) => Err(URL.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads the section, of which `url` was read before.
pub(super) fn read(mut section: Section<'_>, url: Option<StoreUrl>) -> Option<Store> {
    let connections_max = section.integer("connections_max", 1..=500);
    let acquire_timeout = section.seconds("acquire_timeout_seconds", 0.1..=60.0);
    let statement_timeout = section.seconds("statement_timeout_seconds", 0.1..=60.0);
    let retention = section.hours("retention_hours", 1..=8760);
    let session_retention = section.hours("session_retention_hours", 1..=8760);
    Some(Store {
        url: url?,
        connections_max: connections_max?,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
        retention: retention?,
        session_retention: session_retention?,
    })
}
