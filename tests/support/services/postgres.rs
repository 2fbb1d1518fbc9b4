//! A Postgres that belongs to one test.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;
use url::Url;

use super::{
    database::migrate,
    owned::{Kind, Service, Signal},
};
use crate::wait::eventually;

/// Longest that a server may take to answer after its start.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Longest that it may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The name of the database, and of the product's user: no superuser, whom no limit of
/// connections would keep out.
const PRODUCT: &str = "product";

/// A server under control of one test, with a migrated database.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    /// The address for a superuser.
    server: String,
    /// The address for the product.
    url: String,
}

impl Postgres {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let service = Service::make(Kind::Database).await;
        let server = service.url().expect("it is known before the start");
        let mut url = Url::parse(&server).expect("a URL");
        let password = format!("{:032x}", rand::random::<u128>());
        url.set_username(PRODUCT).expect("a URL that may have a user");
        url.set_password(Some(&password)).expect("a URL that may have a password");
        url.set_path(PRODUCT);
        let postgres = Self { service, server, url: url.into() };
        postgres.start_again().await;
        postgres.run(format!("create role {PRODUCT} login password '{password}'")).await;
        postgres.run(format!("create database {PRODUCT} owner {PRODUCT}")).await;
        migrate(&postgres.url).await;
        postgres
    }

    /// Returns the database's address for the product, password included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it (`kill -9`).
    pub async fn kill_9(&self) {
        self.service.kill_9().await;
    }

    /// Stops it in order (`pg_ctl stop -m fast`): it closes its sessions.
    pub async fn stop_fast(&self) {
        self.service.first(Signal::Interrupt).await;
        self.service.ended().await;
    }

    /// Stops it at once (`pg_ctl stop -m immediate`): the next start recovers.
    pub async fn stop_immediately(&self) {
        self.service.first(Signal::Quit).await;
        self.service.ended().await;
    }

    /// Starts it on the same port, with the data that it had, and returns once it answers.
    pub async fn start_again(&self) {
        self.service.start().await;
        eventually("Postgres answers", START_LIMIT, async || connect(&self.server).await.ok())
            .await;
    }

    /// Stops all its processes (SIGSTOP): it falls silent.
    pub async fn freeze(&self) {
        self.service.all(Signal::Stop).await;
    }

    /// Lets its processes run again (SIGCONT).
    pub async fn thaw(&self) {
        self.service.all(Signal::Continue).await;
    }

    /// Makes it refuse or accept writes, also in open sessions, like a server that became a
    /// standby.
    pub async fn set_read_only(&self, read_only: bool) {
        let value = if read_only { "on" } else { "off" };
        self.run(format!("alter system set default_transaction_read_only = {value}")).await;
        self.run("select pg_reload_conf()".to_owned()).await;
    }

    /// Limits the connections of the product and ends those that it has; -1 is no limit.
    pub async fn limit_connections(&self, connections_max: i32) {
        self.run(format!("alter role {PRODUCT} connection limit {connections_max}")).await;
        let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = ";
        self.run(format!("{end}'{PRODUCT}'")).await;
    }

    /// Opens a connection as the product.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url).await.expect("Postgres accepts the product")
    }

    async fn run(&self, sql: String) {
        let mut server = connect(&self.server).await.expect("Postgres accepts its superuser");
        let sql = [String::from("set default_transaction_read_only = off"), sql];
        for sql in sql {
            if let Err(error) = sqlx::query(AssertSqlSafe(sql.as_str())).execute(&mut server).await
            {
                panic!("{sql}: {error}");
            }
        }
    }
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let connecting = timeout(CONNECT_LIMIT, PgConnection::connect(url));
    connecting.await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}
