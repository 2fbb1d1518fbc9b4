//! Where queue and store are: the forms of their URLs.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    QueueUrl, StoreUrl,
    postgres_address::{self, AddressError},
};

/// What `queue.url` may be.
pub(super) const QUEUE_URL: &str =
    "a URL \"amqp://…\" or \"amqps://…\" with a host, or \"sqlite:PATH\" with the path of a file";
/// What `store.url` may be.
const STORE_URL: &str = "a URL \"postgres://…\", or \"sqlite:PATH\" with the path of a file";

/// Reads `queue.url`; a relative path counts from `base`.
pub(super) fn queue(text: &SecretString, base: &Path) -> Option<QueueUrl> {
    let exposed = text.expose_secret();
    if let Some(path) = exposed.strip_prefix("sqlite:") {
        return sqlite_path(path, base).map(QueueUrl::Sqlite);
    }
    let url = Url::parse(exposed).ok()?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let is_amqp = matches!(url.scheme(), "amqp" | "amqps");
    let reads = exposed.parse::<lapin::uri::AMQPUri>().is_ok();
    (is_amqp && has_host && reads).then(|| QueueUrl::Amqp(text.clone()))
}

/// Reads `store.url`; a relative path counts from `base`. An error says what was expected.
pub(super) fn store(text: &SecretString, base: &Path) -> Result<StoreUrl, String> {
    if let Some(path) = text.expose_secret().strip_prefix("sqlite:") {
        return sqlite_path(path, base).map(StoreUrl::Sqlite).ok_or_else(|| STORE_URL.to_owned());
    }
    // All of it, so that nothing is left to be refused when it is used. No host is fine:
    // `?host=/var/run/postgresql` names a socket.
    match postgres_address::parse(text) {
        Ok(_) => Ok(StoreUrl::Postgres(text.clone())),
        Err(AddressError::Form) => Err(STORE_URL.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads the address of a platform: it must be safe to log and to append a path to.
pub(super) fn platform(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_http = matches!(url.scheme(), "https" | "http") && url.has_host();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    let is_plain = url.query().is_none() && url.fragment().is_none();
    (is_http && is_anonymous && is_plain).then_some(url)
}

/// A file's path. No parameters, and nothing that lives in memory: the queue must
/// outlive the process.
fn sqlite_path(path: &str, base: &Path) -> Option<PathBuf> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let is_file = !path.is_empty() && !path.contains('?') && !path.starts_with(':');
    (is_file && !path.ends_with('/')).then(|| base.join(path))
}
