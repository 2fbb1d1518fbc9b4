//! A database in Postgres that belongs to one test, cloned from one that is migrated once.
//! That one stays for later runs where the server does: `quhao_template_` and a hash of the
//! migrations.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quhao_backend::backend::open_store;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;

use super::settings;
use crate::{services, wait};

/// The beginning of the name of every test's database.
const FAMILY: &str = "quhao_test_";

/// The age at which a later run drops databases of tests that were killed.
const ABANDONED: Duration = Duration::from_hours(2);

/// The advisory lock that serialises making the template among test processes.
const LOCK: i64 = 0x7175_6861_6f00;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database, dropped when this is.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// Creates one with this version's schema.
    pub async fn migrated() -> Self {
        let template = TEMPLATE.get_or_init(template).await;
        Self::create(&format!("template {template}")).await
    }

    /// Returns its URL, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a connection to it.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url).await
    }

    async fn create(clause: &str) -> Self {
        let name = new_name();
        let mut server = connect(&services::database_url()).await;
        run(&mut server, format!("create database {name} {clause}")).await;
        Self { url: url_of(&name), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        wait::block_on(async move {
            let mut server = connect(&services::database_url()).await;
            sqlx::query(AssertSqlSafe(sql)).execute(&mut server).await
        });
    }
}

/// Creates a name that says when it was made, so that abandoned databases can be found.
fn new_name() -> String {
    format!("{FAMILY}{}_{:016x}", unix_seconds(), rand::random::<u64>())
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn url_of(database: &str) -> String {
    let mut url = url::Url::parse(&services::database_url()).expect("QUHAO_TEST_DATABASE_URL");
    url.set_path(database);
    url.to_string()
}

async fn connect(url: &str) -> PgConnection {
    match PgConnection::connect(url).await {
        Ok(connection) => connection,
        Err(error) => panic!("Postgres (QUHAO_TEST_DATABASE_URL) refuses the connection: {error}"),
    }
}

async fn run(server: &mut PgConnection, sql: String) {
    if let Err(error) = sqlx::query(AssertSqlSafe(sql.as_str())).execute(server).await {
        panic!("{sql}: {error}");
    }
}

/// Returns the name of a migrated database for these migrations; creates it if there is none.
async fn template() -> String {
    let name = format!("quhao_template_{}", digest_of_migrations());
    let mut server = connect(&services::database_url()).await;
    run(&mut server, format!("select pg_advisory_lock({LOCK})")).await;
    drop_abandoned(&mut server).await;
    if !names_like(&mut server, &name).await.contains(&name) {
        // It gets its name when it is complete, so that an incomplete one is never used.
        let part = new_name();
        run(&mut server, format!("create database {part} template template0")).await;
        migrate(&url_of(&part)).await;
        run(&mut server, format!("alter database {part} rename to {name}")).await;
    }
    run(&mut server, format!("select pg_advisory_unlock({LOCK})")).await;
    name
}

async fn names_like(server: &mut PgConnection, prefix: &str) -> Vec<String> {
    sqlx::query("select datname from pg_database where starts_with(datname, $1)")
        .bind(prefix)
        .fetch_all(server)
        .await
        .expect("the list of databases")
        .iter()
        .map(|row| row.get(0))
        .collect()
}

async fn drop_abandoned(server: &mut PgConnection) {
    let before = unix_seconds().saturating_sub(ABANDONED.as_secs());
    for name in names_like(server, FAMILY).await {
        let made = name[FAMILY.len()..].split('_').next().and_then(|text| text.parse::<u64>().ok());
        if made.is_some_and(|made| made < before) {
            run(server, format!("drop database if exists {name} with (force)")).await;
        }
    }
}

pub(crate) async fn migrate(url: &str) {
    let store = open_store(&settings::postgres(url)).await.expect("the store opens");
    store.migrate().await.expect("the migrations apply to an empty database");
    store.close().await;
}

/// Returns a hash of the migrations.
fn digest_of_migrations() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/postgres");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())));
    }
    hash.finalize().iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
