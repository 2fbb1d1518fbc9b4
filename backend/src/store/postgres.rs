//! The store in Postgres.
//!
//! `postgres/pool.rs` is the only way to a connection, and `postgres/sqlstate.rs` alone decides
//! what an error means. Each of the other files has the statements of one noun. No statement is
//! built at run time.

use std::{fmt, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::{options::Options, pool::Pool};
use crate::store::error::StoreError;
use quhao_common::config::{self, StoreUrl};

mod sqlstate;
mod options;
mod pool;
mod schema;
mod advisory_lock;
mod notification;
mod listen;
mod outcomes;
mod answers;
mod exchanges;
mod phones;
mod sessions;
mod callbacks;
mod claims;
mod erasure;
mod app_erasure;
mod purge;

pub(super) use self::listen::Notifications;

const NOW: &str = "select clock_timestamp()";

/// Results and sessions in a Postgres database, used by any number of processes.
pub struct PostgresStore {
    pool: Pool,
    options: Arc<Options>,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    /// Cancelled once the store is being closed.
    closing: CancellationToken,
}

impl fmt::Debug for PostgresStore {
    /// Formats it without the options: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Reads the settings; connects when first used. Fails only for a URL that can never work,
    /// with a text that does not quote it.
    pub(crate) fn open(settings: &config::Store) -> Result<Self, StoreError> {
        let StoreUrl::Postgres(url) = &settings.url else {
            return Err(StoreError::Settings("store.url is not a postgres:// URL".to_owned()));
        };
        let options = Arc::new(Options::new(url, settings.statement_timeout)?);
        Ok(Self {
            pool: Pool::new(Arc::clone(&options), settings),
            options,
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            closing: CancellationToken::new(),
        })
    }

    /// Uses the URL in `settings` for new connections; those that are open stay. An error
    /// changes nothing.
    pub(super) fn reconfigure(&self, settings: &config::Store) -> Result<(), StoreError> {
        match &settings.url {
            StoreUrl::Postgres(url) => self.options.replace(url),
            // Another kind of store takes a restart.
            StoreUrl::Sqlite(_) => Ok(()),
        }
    }

    /// Starts listening, on a connection besides those of the pool. Must be called inside a
    /// Tokio runtime.
    pub(super) fn listen(&self) -> Notifications {
        let options = Arc::clone(&self.options);
        Notifications::start(options, self.acquire_timeout, self.closing.child_token())
    }

    /// Returns the time of the database's clock.
    pub(super) async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        let now = self.pool.run(|mut connection| async move {
            let now = sqlx::query_scalar(NOW).fetch_one(&mut connection).await?;
            Ok((now, connection))
        });
        Ok(now.await?)
    }

    /// Closes all connections. Calls under way get `statement_timeout` to finish, and so does
    /// the closing itself. Listeners are notified no more.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.pool.close(self.statement_timeout).await;
    }
}
