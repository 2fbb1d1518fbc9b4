//! The machine and the servers on which the figures are measured.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use quhao_tests::services;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use url::Url;

use crate::processes::{Role, Watched};

/// Longest that a server may take to answer with its version.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Largest greeting of a broker that is read: they have some 500 bytes.
const GREETING_BYTES_MAX: usize = 8192;

/// The machine and its servers, in words.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    lines: Vec<(&'static str, String)>,
    /// The servers' processes, as far as they can be seen.
    pub(crate) servers: Vec<Watched>,
}

impl Machine {
    /// Looks at this machine, and at the servers that the variables of `tests/services`
    /// name.
    pub(crate) async fn look() -> Result<Self> {
        let (broker, store) = (services::amqp_url(), services::database_url());
        let lines = vec![
            ("processors", processors()),
            ("kernel", first_line("/proc/sys/kernel/osrelease")),
            ("quhao", program()),
            ("broker", broker_version(&broker).await.context("asking the broker")?),
            ("store", store_settings(&store).await.context("asking Postgres")?),
        ];
        let servers = [(Role::Broker, &broker, 5672), (Role::Store, &store, 5432)];
        let servers = servers.into_iter().filter_map(|(role, url, default)| {
            Watched::listening(role, Url::parse(url).ok()?.port().unwrap_or(default))
        });
        Ok(Self { lines, servers: servers.collect() })
    }

    /// Returns what the report says of the machine, by name.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        self.lines.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

fn processors() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("of an unknown model", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{count} × {model}")
}

fn first_line(file: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

/// Describes the program that is measured, and how it and the bench were built.
fn program() -> String {
    let version = env::var_os("QUHAO_TEST_BINARY")
        .and_then(|program| Command::new(program).arg("--version").output().ok())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = version.unwrap_or_else(|| "built by this run".to_owned());
    let profile =
        env::current_exe().ok().and_then(|path| Some(path.parent()?.file_name()?.to_owned()));
    let profile = profile.unwrap_or_default();
    let warning = if cfg!(debug_assertions) { ", NOT OPTIMIZED: no figure counts" } else { "" };
    format!("{version}, profile {}{warning}", profile.to_string_lossy())
}

/// Returns the broker's version: it greets with a table of properties, of which only its own
/// version is of interest.
async fn broker_version(url: &str) -> Result<String> {
    let url = Url::parse(url)?;
    let host = (url.host_str().context("a broker's URL has a host")?, url.port().unwrap_or(5672));
    let greeting = async {
        let mut stream = TcpStream::connect(host).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        let mut greeting = Vec::new();
        while version_in(&greeting).is_none() && greeting.len() < GREETING_BYTES_MAX {
            if stream.read_buf(&mut greeting).await? == 0 {
                break;
            }
        }
        anyhow::Ok(greeting)
    };
    let greeting = timeout(ANSWER_LIMIT, greeting).await??;
    let version = version_in(&greeting);
    Ok(version.map_or_else(|| "of an unknown version".to_owned(), |v| format!("RabbitMQ {v}")))
}

/// Finds the long string of the field `version` in a table of AMQP.
fn version_in(greeting: &[u8]) -> Option<String> {
    const FIELD: &[u8] = b"\x07versionS";
    let at = greeting.windows(FIELD.len()).position(|part| part == FIELD)? + FIELD.len();
    let length = u32::from_be_bytes(greeting.get(at..at + 4)?.try_into().ok()?);
    let text = greeting.get(at + 4..)?.get(..usize::try_from(length).ok()?)?;
    String::from_utf8(text.to_vec()).ok()
}

/// Describes version and durability of Postgres: figures with and without are not comparable.
async fn store_settings(url: &str) -> Result<String> {
    let mut connection = timeout(ANSWER_LIMIT, PgConnection::connect(url)).await??;
    let names = ["server_version", "fsync", "synchronous_commit", "full_page_writes"];
    let mut values = Vec::new();
    for name in names {
        let value = sqlx::query_scalar::<_, String>("select current_setting($1)").bind(name);
        values.push(value.fetch_one(&mut connection).await?);
    }
    let folder = sqlx::query_scalar::<_, String>("select current_setting('data_directory')");
    let folder = folder.fetch_one(&mut connection).await.ok();
    // Whoever is measured connects by the same URL.
    let tls = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let tls = sqlx::query_scalar::<_, bool>(tls).fetch_one(&mut connection).await?;
    connection.close().await?;
    let [version, fsync, commit, pages] = values.as_slice() else { bail!("settings are missing") };
    let durable = if [fsync, commit, pages].iter().all(|value| *value == "on") {
        "durable"
    } else {
        "NOT DURABLE"
    };
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let kind = folder.and_then(|folder| file_system(&mounts, &PathBuf::from(folder)));
    let kind = kind.map_or_else(String::new, |kind| format!(", on {kind}"));
    let tls = if tls { "TLS" } else { "no TLS" };
    Ok(format!(
        "Postgres {version}, {durable}: fsync {fsync}, synchronous_commit {commit}, \
         full_page_writes {pages}{kind}; {tls}"
    ))
}

/// Returns the kind of file system that a folder of this machine is on.
fn file_system(mounts: &str, folder: &std::path::Path) -> Option<String> {
    if !folder.is_dir() {
        return None;
    }
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let holding = mounts.filter(|(at, _)| folder.starts_with(at));
    Some(holding.max_by_key(|(at, _)| at.len())?.1.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_broker_says_its_version() {
        let greeting = b"\x01\x00\x00\x00\x00\x02\x03\x07productS\x00\x00\x00\x08RabbitMQ\x07versionS\x00\x00\x00\x063.10.8\x09x";
        assert_eq!(version_in(greeting).as_deref(), Some("3.10.8"));
        assert_eq!(version_in(&greeting[..40]), None);
    }

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "a / ext4 rw 0 0\nb /proc proc rw 0 0\nc /proc/sys ro 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/proc/self")).as_deref(), Some("proc"));
        assert_eq!(file_system(mounts, Path::new("/")).as_deref(), Some("ext4"));
        assert_eq!(file_system(mounts, Path::new("/not/there")), None);
    }
}
