//! A configuration file for a test, with clients, apps and secrets of its own.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{database::Database, prefix::Prefix, services};

/// The mini-program of the client `orders`.
pub const APP: &str = "wx4f4bc4dec97d474b";
/// The mini-program of the client `elsewhere`.
pub const APP_ELSEWHERE: &str = "wx00000000000000e1";

/// Which of the two ways quhao runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// RabbitMQ, Postgres, a process for each role.
    Distributed,
    /// One process, one SQLite file.
    Embedded,
}

/// The queue and the store that a configuration names; removed when dropped.
#[derive(Debug)]
pub enum Backing {
    /// Real servers.
    Servers {
        /// The names at the broker.
        prefix: Prefix,
        /// The store.
        database: Database,
    },
    /// A file beside the configuration.
    File,
}

impl Backing {
    /// Creates a new one, migrated where that takes a server.
    pub async fn new(mode: Mode) -> Self {
        match mode {
            Mode::Distributed => {
                Self::Servers { prefix: Prefix::new(), database: Database::migrated().await }
            }
            Mode::Embedded => Self::File,
        }
    }
}

/// A configuration file. Its folder is removed when this is dropped.
#[derive(Debug)]
pub struct Config {
    /// The API key of the client `orders`, who owns [`APP`].
    pub api_key: String,
    /// The API key of the client `elsewhere`, who owns [`APP_ELSEWHERE`].
    pub api_key_elsewhere: String,
    /// The secrets that sign the callbacks of `orders`, who is rotating them.
    pub webhook_secrets: [String; 2],
    secrets: Vec<String>,
    folder: TempDir,
}

impl Config {
    /// Writes `quhao.toml` for `backing` and a platform at `platform_url`. `extra`
    /// (TOML, may be empty) overrides it.
    pub fn write(backing: &Backing, platform_url: &str, extra: &str) -> Self {
        Self::write_with(backing, platform_url, extra, "")
    }

    /// Writes `quhao.toml` with further lines (TOML, may be empty) for [`APP`], which no other
    /// file can change.
    pub fn write_with(backing: &Backing, platform_url: &str, extra: &str, of_app: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (api_key, api_key_elsewhere) = (secret_text(), secret_text());
        let (id, seal) = (secret_32(), secret_32());
        let (app_secret, app_secret_elsewhere) = (secret_text(), secret_text());
        let (queue_url, prefix, store_url) = match backing {
            Backing::Servers { prefix, database } => {
                (services::amqp_url(), prefix.as_str(), database.url().to_owned())
            }
            Backing::File => {
                let url = format!("sqlite:{}", folder.path().join("quhao.db").display());
                (url.clone(), "quhao", url)
            }
        };
        let mut text = format!(
            "[http]\nlisten = '127.0.0.1:0'\nmetrics_listen = '127.0.0.1:0'\n\
             [worker]\nmetrics_listen = '127.0.0.1:0'\n\
             [queue]\nurl = '{queue_url}'\nprefix = '{prefix}'\n\
             [store]\nurl = '{store_url}'\n\
             [secrets]\nid = ['k1:{id}']\nseal = ['k1:{seal}']\n\
             [platforms.wechat]\nbase_url = '{platform_url}'\n\
             [log]\nformat = 'json'\nfilter = 'info'\n"
        );
        let webhook_secrets = [webhook_secret(), webhook_secret()];
        let of_orders = format!("webhook_secret = {webhook_secrets:?}\n");
        let owned = [
            ("orders", &api_key, of_orders.as_str(), APP, &app_secret, of_app),
            ("elsewhere", &api_key_elsewhere, "", APP_ELSEWHERE, &app_secret_elsewhere, ""),
        ];
        for (client, key, of_client, app, app_secret, of_app) in owned {
            let digest = hex(&Sha256::digest(key.as_bytes()));
            let _ = write!(
                text,
                "[[clients]]\nname = '{client}'\napi_key_sha256 = ['{digest}']\n{of_client}\
                 [[apps]]\nid = '{app}'\nclient = '{client}'\nplatform = 'wechat'\n\
                 secret = '{app_secret}'\n{of_app}"
            );
        }
        put(&folder.path().join("quhao.toml"), &text);
        if !extra.is_empty() {
            let further = folder.path().join("config.d");
            fs::create_dir(&further).expect("a folder in our own folder");
            put(&further.join("extra.toml"), extra);
        }
        let secrets = vec![
            api_key.clone(),
            api_key_elsewhere.clone(),
            id,
            seal,
            app_secret,
            app_secret_elsewhere,
        ];
        let secrets = secrets.into_iter().chain(webhook_secrets.clone()).collect();
        Self { api_key, api_key_elsewhere, webhook_secrets, secrets, folder }
    }

    /// Returns the path of the file, for `--config`.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("quhao.toml")
    }

    /// Returns the folder that the file is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns everything in it that must never appear in a log line.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
}

fn secret_32() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

fn webhook_secret() -> String {
    format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 24]>()))
}

fn secret_text() -> String {
    hex(&rand::random::<[u8; 16]>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
