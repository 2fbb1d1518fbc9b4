//! The pool of connections. [`Pool::run`] is the only way to one.
//!
//! sqlx's own pool is not used. In 0.9.0 a connection that is returned is pinged while it
//! still holds its permit and without a time limit, so a peer that stops answering at the
//! wrong time costs a connection for good (transact-rs/sqlx#4349). Its reaper can spin
//! (#3645). And it pings once more before each use. What is needed here is small:
//!
//! - A connection is returned only after a call that succeeded. After an error, a time-out or a
//!   caller that went away it is dropped, and its permit is free.
//! - Nothing is pinged. If an idle connection turns out to be broken, the call is made once
//!   more on a new one: every statement of the store may run twice.
//! - A connection that is broken or does not answer takes the idle ones with it: they lead to
//!   the same server.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::{sync::Semaphore, time::timeout};

use super::{options::Options, sqlstate::PgError};
use quhao_common::config;

/// How much longer than the server the client waits for a statement: the server ends it by
/// itself, and says why.
const GRACE: Duration = Duration::from_millis(500);

/// How long a connection may be idle. Firewalls and load balancers forget idle connections, the
/// strictest well-known ones after four minutes.
const IDLE_MAX: Duration = Duration::from_mins(3);

/// Connections to one database.
pub(super) struct Pool {
    options: Arc<Options>,
    permits: Semaphore,
    connections_max: u32,
    idle: Mutex<Vec<Idle>>,
    acquire_timeout: Duration,
    run_timeout: Duration,
}

/// A connection that is not in use.
struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl fmt::Debug for Pool {
    /// Leaves the options out: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("free", &self.permits.available_permits())
            .field("idle", &self.idle().len())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Creates an empty pool.
    pub(super) fn new(options: Arc<Options>, settings: &config::Store) -> Self {
        let connections_max = settings.connections_max.max(1);
        Self {
            options,
            permits: Semaphore::new(connections_max as usize),
            connections_max,
            idle: Mutex::new(Vec::new()),
            acquire_timeout: settings.acquire_timeout,
            run_timeout: settings.statement_timeout + GRACE,
        }
    }

    /// Lends a connection to `work`, which returns it with its result. Safe to drop at any time.
    /// If an idle connection is broken, `work` is started a second time.
    ///
    /// The bounds have each call checked where it is written: a borrow that is held across the
    /// driver's futures quickly makes them unfit for spawned tasks.
    pub(super) async fn run<T, F>(
        &self,
        work: impl Fn(PgConnection) -> F + Send + Sync,
    ) -> Result<T, PgError>
    where
        T: Send,
        F: Future<Output = Result<(T, PgConnection), sqlx::Error>> + Send,
    {
        let limit = self.acquire_timeout + self.run_timeout;
        timeout(limit, self.lend(work)).await.unwrap_or(Err(PgError::Timeout(limit)))
    }

    async fn lend<T, F>(&self, work: impl Fn(PgConnection) -> F) -> Result<T, PgError>
    where
        F: Future<Output = Result<(T, PgConnection), sqlx::Error>>,
    {
        let _permit = timeout(self.acquire_timeout, self.permits.acquire())
            .await
            .map_err(|_| PgError::Busy)?
            .map_err(|_| PgError::Closed)?;
        if let Some(connection) = self.take() {
            match self.attempt(work(connection)).await {
                Err(error) if error.breaks_connection() => {}
                result => return result,
            }
        }
        let connection = self.connect().await?;
        self.attempt(work(connection)).await
    }

    async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<(T, PgConnection), sqlx::Error>>,
    ) -> Result<T, PgError> {
        let error = match timeout(self.run_timeout, work).await {
            Ok(Ok((value, connection))) => {
                self.put(connection);
                return Ok(value);
            }
            Ok(Err(error)) => PgError::from(error),
            Err(_) => PgError::Timeout(self.run_timeout),
        };
        if error.breaks_connection() || matches!(error, PgError::Timeout(_)) {
            self.clear();
        }
        Err(error)
    }

    async fn connect(&self) -> Result<PgConnection, PgError> {
        connect(&self.options.limited(), self.acquire_timeout).await
    }

    /// Waits for the calls under way, then closes all connections; `limit` is for each of both.
    pub(super) async fn close(&self, limit: Duration) {
        let _ = timeout(limit, self.permits.acquire_many(self.connections_max)).await;
        self.permits.close();
        let closing = self.clear().into_iter().map(|idle| idle.connection.close());
        let _ = timeout(limit, join_all(closing)).await;
    }

    /// Removes and returns the connection that was used last, unless it was idle for too long.
    fn take(&self) -> Option<PgConnection> {
        let newest = self.idle().pop()?;
        if newest.since.elapsed() < IDLE_MAX {
            return Some(newest.connection);
        }
        self.clear();
        None
    }

    /// Adds a connection that is not in use any more.
    fn put(&self, connection: PgConnection) {
        if !self.permits.is_closed() {
            self.idle().push(Idle { connection, since: Instant::now() });
        }
    }

    fn clear(&self) -> Vec<Idle> {
        std::mem::take(&mut *self.idle())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a connection that belongs to no pool.
pub(super) async fn connect(
    options: &PgConnectOptions,
    limit: Duration,
) -> Result<PgConnection, PgError> {
    let error = match timeout(limit, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => PgError::from(error),
        Err(_) => PgError::Timeout(limit),
    };
    Err(PgError::Connect(Box::new(error)))
}
