//! What connections are opened with.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::store::error::StoreError;
use quhao_common::config::store_address::StoreAddress;

/// What new connections are opened with. A reload of the configuration may replace it, as when
/// the password changes.
pub(super) struct Options {
    statement_timeout: Duration,
    current: RwLock<Current>,
}

/// The options as of the last configuration, with and without the server's limits.
#[derive(Clone)]
struct Current {
    limited: Arc<PgConnectOptions>,
    unlimited: Arc<PgConnectOptions>,
}

impl Options {
    /// Creates the options for the server at `address`.
    pub(super) fn new(
        address: &StoreAddress,
        statement_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let current = RwLock::new(Current::new(address, statement_timeout)?);
        Ok(Self { statement_timeout, current })
    }

    /// Uses `address` for new connections; those that are open stay.
    pub(super) fn replace(&self, address: &StoreAddress) -> Result<(), StoreError> {
        let current = Current::new(address, self.statement_timeout)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
        Ok(())
    }

    /// Returns the options with the time limits that the server enforces.
    pub(super) fn limited(&self) -> Arc<PgConnectOptions> {
        self.current().limited
    }

    /// Returns the options without time limits, for migrations.
    pub(super) fn unlimited(&self) -> Arc<PgConnectOptions> {
        self.current().unlimited
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Current {
    fn new(address: &StoreAddress, statement_timeout: Duration) -> Result<Self, StoreError> {
        let unlimited = driver_options(address)?;
        let limited = Arc::new(with_limits(unlimited.clone(), statement_timeout));
        Ok(Self { limited, unlimited: Arc::new(unlimited) })
    }
}

/// Returns an address as the driver takes it. An error does not quote it.
fn driver_options(address: &StoreAddress) -> Result<PgConnectOptions, StoreError> {
    // The configuration has checked it, and the driver's own message would quote a value.
    let options: PgConnectOptions = address
        .expose_url()
        .parse()
        .map_err(|_| StoreError::Settings("store.url: the driver refuses it".to_owned()))?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("quhao"),
    };
    // Slow calls show in the metrics; the driver's own log lines would repeat the SQL.
    Ok(options.disable_statement_logging())
}

/// Adds time limits that the server enforces, because dropping a call here stops nothing there.
fn with_limits(options: PgConnectOptions, statement: Duration) -> PgConnectOptions {
    let statement = statement.as_millis().max(1);
    // Every statement here finds its rows by an index, and none runs long enough to be worth
    // compiling. Without statistics, as in a new database, the planner decides otherwise, and
    // keeps a plan that reads the whole table each time.
    let options = options.options([("jit", "off"), ("enable_seqscan", "off")]);
    options.options([
        ("statement_timeout", statement),
        // Earlier than the statement's own limit, so that the error names the lock.
        ("lock_timeout", (statement / 2).max(1)),
        // A client that vanished in the middle of a batch must not keep its rows locked.
        ("idle_in_transaction_session_timeout", statement),
        // A client that vanished without closing must not keep its connection for two hours.
        ("tcp_keepalives_idle", 30),
        ("tcp_keepalives_interval", 10),
        ("tcp_keepalives_count", 3),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> StoreAddress {
        StoreAddress::parse(url).unwrap()
    }

    /// The configuration refuses whatever the driver would.
    #[test]
    fn driver_takes_every_address_that_is_accepted() {
        for url in [
            "postgres://db/quhao",
            "postgresql://quhao:p%40ss@db:5433/quhao?sslmode=Verify-Full&options[a]=b&options=-c",
            "postgres:///quhao?host=/var/run/postgresql&port=5433&user=q&password=p&dbname=d",
            "postgres://quhao@%2Fvar%2Frun%2Fpostgresql/quhao",
            "postgres://h%ff/quhao",
            "postgres:///?hostaddr=::1&statement-cache-capacity=0&application_name=shop",
            "postgres://quhao:p%ff@db/quhao",
            "postgres://q%ff@db/quhao",
            "postgres://db/%ff",
            "postgres://%2Fsocket%ff/quhao",
            "postgres:quhao",
            "postgres://db/quhao?sslmode=no",
            "postgres://db/quhao?port=65536",
            "postgres://db/quhao?hostaddr=db",
            "postgres://db/quhao?statement-cache-capacity=x",
        ] {
            let drivers = url.parse::<PgConnectOptions>().is_ok();
            assert_eq!(StoreAddress::parse(url).is_ok(), drivers, "{url}");
        }
    }

    #[test]
    fn new_connections_use_the_last_address() {
        let url = |password| address(&format!("postgres://quhao:{password}@db/quhao"));
        let options = Options::new(&url("one"), Duration::from_secs(1)).unwrap();
        let before = options.limited();
        options.replace(&url("two")).unwrap();
        let shown = |options: &PgConnectOptions| options.to_url_lossy().to_string();
        assert!(shown(&before).contains(":one@"));
        assert!(shown(&options.limited()).contains(":two@"));
        assert!(shown(&options.unlimited()).contains(":two@"));
        assert!(options.limited().get_options().is_some_and(|o| o.contains("statement_timeout")));
    }

    #[test]
    fn connections_are_named_quhao_unless_the_url_differs() {
        for (url, name) in [
            ("postgres://db/quhao", "quhao"),
            ("postgres://db/quhao?application_name=shop", "shop"),
        ] {
            let options = driver_options(&address(url)).unwrap();
            assert_eq!(options.get_application_name(), Some(name));
        }
    }
}
