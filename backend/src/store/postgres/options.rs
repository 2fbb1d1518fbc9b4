//! What connections are opened with.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use secrecy::SecretString;
use sqlx::{ConnectOptions, postgres::PgConnectOptions};

use crate::store::error::StoreError;
use quhao_common::config::postgres_address;

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
    /// Reads `url`. Fails only for one that can never work, with a text that does not quote it.
    pub(super) fn new(url: &SecretString, statement_timeout: Duration) -> Result<Self, StoreError> {
        let current = RwLock::new(Current::new(url, statement_timeout)?);
        Ok(Self { statement_timeout, current })
    }

    /// Uses `url` for new connections; those that are open stay.
    pub(super) fn replace(&self, url: &SecretString) -> Result<(), StoreError> {
        let current = Current::new(url, self.statement_timeout)?;
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
    fn new(url: &SecretString, statement_timeout: Duration) -> Result<Self, StoreError> {
        let unlimited = parse(url)?;
        let limited = Arc::new(with_limits(unlimited.clone(), statement_timeout));
        Ok(Self { limited, unlimited: Arc::new(unlimited) })
    }
}

/// Reads `store.url`. No error quotes it: it may hold a password.
fn parse(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    let options = postgres_address::parse(url)
        .map_err(|error| StoreError::Settings(format!("store.url: expected {error}")))?;
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

    #[test]
    fn unusable_url_is_refused_without_its_value() {
        let url = SecretString::from("postgres://quhao:hunter2@/quhao?sslmode=hunter2");
        let error = parse(&url).unwrap_err();
        assert!(matches!(error, StoreError::Settings(_)));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }

    #[test]
    fn new_connections_use_the_last_usable_url() {
        let url = |password| SecretString::from(format!("postgres://quhao:{password}@db/quhao"));
        let options = Options::new(&url("one"), Duration::from_secs(1)).unwrap();
        let before = options.limited();
        options.replace(&url("two")).unwrap();
        let shown = |options: &PgConnectOptions| options.to_url_lossy().to_string();
        assert!(shown(&before).contains(":one@"));
        assert!(shown(&options.limited()).contains(":two@"));
        assert!(shown(&options.unlimited()).contains(":two@"));
        assert!(options.limited().get_options().is_some_and(|o| o.contains("statement_timeout")));
        assert!(options.replace(&SecretString::from("postgres://db/quhao?secret=x")).is_err());
        assert!(shown(&options.limited()).contains(":two@"));
    }

    #[test]
    fn connections_are_named_quhao_unless_the_url_differs() {
        for (url, name) in [
            ("postgres://db/quhao", "quhao"),
            ("postgres://db/quhao?application_name=shop", "shop"),
        ] {
            let options = parse(&SecretString::from(url)).unwrap();
            assert_eq!(options.get_application_name(), Some(name));
        }
    }
}
