//! The connections. [`Pool::run`] is the only way to one.
//!
//! sqlx's own pool is not used. In 0.9.0 a connection that goes back is pinged while it
//! still holds its permit and without a time limit, so one peer that falls silent at the
//! wrong moment costs a connection for good (transact-rs/sqlx#4349); its reaper can spin
//! (#3645); and it pings once more before each use. What is needed here is small:
//!
//! - a connection comes back only after a call that succeeded. After an error, a time-out
//!   or a caller that went away it is dropped, and with it its permit;
//! - nothing is pinged. If a connection that lay idle turns out to be broken, the call is
//!   made once more on a new one: every statement of the store may run twice;
//! - a broken or silent link takes the idle connections with it: they go the same way.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{Connection, postgres::PgConnectOptions, postgres::PgConnection};
use tokio::{sync::Semaphore, time::timeout};

use super::{options::Options, sqlstate::Fault};
use quhao_common::config;

/// The server ends a statement by itself; only then does the client give up on it.
const SILENCE: Duration = Duration::from_millis(500);

/// Older ones are not used again: firewalls and balancers forget quiet connections,
/// the strictest well-known ones after four minutes.
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
    /// A pool without connections yet.
    pub(super) fn new(options: Arc<Options>, settings: &config::Store) -> Self {
        let connections_max = settings.connections_max.max(1);
        Self {
            options,
            permits: Semaphore::new(connections_max as usize),
            connections_max,
            idle: Mutex::new(Vec::new()),
            acquire_timeout: settings.acquire_timeout,
            run_timeout: settings.statement_timeout + SILENCE,
        }
    }

    /// Lends a connection to `work`, which hands it back with what it found. Safe to drop
    /// at any moment. `work` may be started twice, the first time in vain.
    pub(super) async fn run<T, F>(&self, work: impl Fn(PgConnection) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<(T, PgConnection), sqlx::Error>>,
    {
        let limit = self.acquire_timeout + self.run_timeout;
        timeout(limit, self.lend(work)).await.unwrap_or(Err(Fault::Silent(limit)))
    }

    async fn lend<T, F>(&self, work: impl Fn(PgConnection) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<(T, PgConnection), sqlx::Error>>,
    {
        let _permit = timeout(self.acquire_timeout, self.permits.acquire())
            .await
            .map_err(|_| Fault::Busy)?
            .map_err(|_| Fault::Closed)?;
        if let Some(connection) = self.take() {
            match self.attempt(work(connection)).await {
                Err(fault) if fault.breaks_the_link() => {}
                result => return result,
            }
        }
        let connection = self.connect().await?;
        self.attempt(work(connection)).await
    }

    async fn attempt<T>(
        &self,
        work: impl Future<Output = Result<(T, PgConnection), sqlx::Error>>,
    ) -> Result<T, Fault> {
        let fault = match timeout(self.run_timeout, work).await {
            Ok(Ok((value, connection))) => {
                self.put(connection);
                return Ok(value);
            }
            Ok(Err(error)) => Fault::from(error),
            Err(_) => Fault::Silent(self.run_timeout),
        };
        if fault.breaks_the_link() || matches!(fault, Fault::Silent(_)) {
            self.clear();
        }
        Err(fault)
    }

    async fn connect(&self) -> Result<PgConnection, Fault> {
        connect(&self.options.limited(), self.acquire_timeout).await
    }

    /// Waits for the calls under way, then ends all connections; each for `limit` at most.
    pub(super) async fn close(&self, limit: Duration) {
        let _ = timeout(limit, self.permits.acquire_many(self.connections_max)).await;
        self.permits.close();
        let goodbyes = self.clear().into_iter().map(|idle| idle.connection.close());
        let _ = timeout(limit, futures_util::future::join_all(goodbyes)).await;
    }

    fn take(&self) -> Option<PgConnection> {
        let newest = self.idle().pop()?;
        if newest.since.elapsed() < IDLE_MAX {
            return Some(newest.connection);
        }
        self.clear();
        None
    }

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

/// A connection that belongs to no pool.
pub(super) async fn connect(
    options: &PgConnectOptions,
    limit: Duration,
) -> Result<PgConnection, Fault> {
    let fault = match timeout(limit, PgConnection::connect_with(options)).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => Fault::from(error),
        Err(_) => Fault::Silent(limit),
    };
    Err(Fault::Connect(Box::new(fault)))
}
