//! One SQLite file: one writer that commits in groups, and a few readers.
//!
//! Queue and store of the embedded mode share it. A commit that survives a power cut
//! costs an fsync whatever it holds, so callers do not commit: each sends a command to
//! the one writer task, which runs everything that is waiting in one transaction and
//! answers after the commit. A command that fails does not fail its neighbours.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{
    SqliteConnection, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{error::DatabaseError, file::same_file};

mod error;
mod file;
mod schema;
mod writer;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

/// Commands that wait for the writer; more wait with their callers.
const COMMANDS_MAX: usize = 1024;
const READERS_MAX: u32 = 4;
/// How long SQLite itself waits for a lock: only somebody else's tool can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// To what the write-ahead log shrinks after a burst.
const JOURNAL_BYTES: &str = "67108864";

/// An SQLite file that this process has for itself.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    commands: mpsc::Sender<Box<dyn writer::Command>>,
    readers: SqlitePool,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
    users: AtomicUsize,
    commits: Arc<AtomicU64>,
}

impl Database {
    /// Opens the file at `path`, or makes it, readable for its owner alone. Refused while
    /// another process has it open. Must be called inside a Tokio runtime.
    ///
    /// The schema is not touched: see [`Database::migrate`].
    pub async fn open(path: &Path) -> Result<Arc<Self>, DatabaseError> {
        let (path, lock) = file::claim(path)?;
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let closing = CancellationToken::new();
        let commits = Arc::new(AtomicU64::new(0));
        let writer = writer::Writer::open(
            writing(&path),
            inbox,
            writer::Ties { closing: closing.clone(), commits: Arc::clone(&commits), lock },
        )
        .await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            // Without these two limits sqlx runs no maintenance task; that of 0.9.0 can
            // spin for ever.
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(reading(&path));
        Ok(Arc::new(Self {
            path,
            commands,
            readers,
            closing,
            writer: Mutex::new(Some(tokio::spawn(writer.run()))),
            users: AtomicUsize::new(0),
            commits,
        }))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Transactions that were committed since opening. Much less than the number of
    /// commands when many callers wait at once.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Runs `work` in the next transaction and waits, at most `limit`, for its commit.
    /// After [`DatabaseError::Timeout`] it may happen all the same.
    pub(crate) async fn write<T, F>(&self, limit: Duration, work: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        timeout(limit, self.write_unhurried(work)).await.map_err(|_| DatabaseError::Timeout)?
    }

    /// [`Database::write`] for a background task, which has nobody to answer in time. Ends
    /// at the latest when the database is closed.
    pub(crate) async fn write_unhurried<T, F>(&self, work: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(writer::Call::new(work, reply));
        self.commands.send(command).await.map_err(|_| DatabaseError::Closed)?;
        answer.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Runs `work` on what is committed, for at most `limit`. The only way to a reader.
    pub(crate) async fn read<T, F>(&self, limit: Duration, work: F) -> Result<T, DatabaseError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    {
        let deadline = Instant::now() + limit;
        let acquired = timeout_at(deadline, self.readers.acquire()).await;
        let mut reader = acquired.map_err(|_| DatabaseError::Timeout)??;
        if let Ok(result) = timeout_at(deadline, work(&mut reader)).await {
            return Ok(result?);
        }
        // Given back, it would keep its place in the pool until the statement ends.
        drop(reader.detach());
        Err(DatabaseError::Timeout)
    }

    /// Says that somebody needs the file until a [`Database::leave`].
    pub(crate) fn enter(&self) {
        self.users.fetch_add(1, Ordering::AcqRel);
    }

    /// Says that somebody who entered is done; after the last one, what waits is committed
    /// and the file is closed and given free, within `limit`.
    pub(crate) async fn leave(&self, limit: Duration) {
        if self.users.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let deadline = Instant::now() + limit;
        // Readers first: whoever closes last folds the write-ahead log into the file.
        if timeout_at(deadline, self.readers.close()).await.is_err() {
            tracing::warn!(path = %self.path.display(), "a reader did not end in time");
        }
        self.closing.cancel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer
            && timeout_at(deadline, &mut writer).await.is_err()
        {
            tracing::warn!(path = %self.path.display(), "the writer did not end in time");
            writer.abort();
        }
    }
}

fn writing(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .locking_mode(SqliteLockingMode::Normal)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits in a power cut: a submit was answered by then.
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", JOURNAL_BYTES)
        // What is erased or past its time is overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(64)
        .optimize_on_close(true, None)
        .thread_name(|_| "quhao-sqlite-writer".to_owned())
}

fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(64)
        .thread_name(|number| format!("quhao-sqlite-reader-{number}"))
}
