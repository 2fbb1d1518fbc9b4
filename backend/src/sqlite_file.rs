//! One SQLite file: one writer that commits in groups, and a few readers.
//!
//! Queue and store of the embedded mode share it. A commit that survives a power cut costs an
//! fsync, however much it holds. So callers do not commit: each sends a command to the one
//! writer task, which runs all commands that wait in one transaction and answers after the
//! commit. A command that fails does not fail the others of its transaction.

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

use self::{
    command::{ClosureCommand, Command},
    file::LockedFile,
    writer::{Writer, WriterHandles},
};

mod error;
mod file;
mod command;
mod writer;
mod schema;

#[cfg(test)]
mod tests;

pub(crate) use self::{error::DatabaseError, file::is_same_file};

/// The most commands that wait for the writer; the callers of more wait to send theirs.
const COMMANDS_MAX: usize = 1024;
/// The most connections that read.
const READERS_MAX: u32 = 4;
/// How long SQLite itself waits for a lock: only a tool of the operator's can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The size that the write-ahead log shrinks to after a burst.
const JOURNAL_BYTES: &str = "67108864";

/// An SQLite file that this process has for itself.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    /// The way to the writer task.
    commands: mpsc::Sender<Box<dyn Command>>,
    readers: SqlitePool,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// How many of queue and store use the file.
    users: AtomicUsize,
    /// The number of transactions that were committed since the file was opened.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests count the commits"))]
    commits: Arc<AtomicU64>,
}

impl Database {
    /// Opens the file at `path`, or makes it, readable for its owner alone. Fails while another
    /// process has it open. Must be called inside a Tokio runtime.
    ///
    /// The schema is not touched: see [`Database::migrate`].
    pub(crate) async fn open(path: &Path) -> Result<Arc<Self>, DatabaseError> {
        let LockedFile { path, lock } = file::lock(path)?;
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let closing = CancellationToken::new();
        let commits = Arc::new(AtomicU64::new(0));
        let handles =
            WriterHandles { closing: closing.clone(), commits: Arc::clone(&commits), lock };
        let writer = Writer::open(write_options(&path), inbox, handles).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .min_connections(0)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            // Without these two limits sqlx runs no maintenance task; that of 0.9.0 can spin
            // for ever.
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(read_options(&path));
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

    /// Returns where the file is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in the next transaction and waits, at most `limit`, for its commit. After
    /// [`DatabaseError::Timeout`] it may be committed all the same.
    pub(crate) async fn write<T, F>(&self, limit: Duration, work: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        timeout(limit, self.write_without_limit(work)).await.map_err(|_| DatabaseError::Timeout)?
    }

    /// Runs `work` like [`Database::write`], for a background task that nobody waits for. Ends at
    /// the latest when the database is closed.
    pub(crate) async fn write_without_limit<T, F>(&self, work: F) -> Result<T, DatabaseError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command = Box::new(ClosureCommand::new(work, reply));
        self.commands.send(command).await.map_err(|_| DatabaseError::Closed)?;
        answer.await.map_err(|_| DatabaseError::Closed)?
    }

    /// Runs `work` on what is committed, for at most `limit`.
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
        // Returned to the pool, it would count as in use until the statement ends.
        drop(reader.detach());
        Err(DatabaseError::Timeout)
    }

    /// Adds a user of the file, who has to call [`Database::release`].
    pub(crate) fn retain(&self) {
        self.users.fetch_add(1, Ordering::AcqRel);
    }

    /// Removes a user of the file. After the last one, commits what waits, closes the file and
    /// frees it for other processes, within `limit`.
    pub(crate) async fn release(&self, limit: Duration) {
        if self.users.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let deadline = Instant::now() + limit;
        // Readers first: whoever closes last folds the write-ahead log into the file.
        if timeout_at(deadline, self.readers.close()).await.is_err() {
            let path = self.path.display();
            tracing::warn!(%path, "a reader of the database did not end in time");
        }
        self.closing.cancel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer
            && timeout_at(deadline, &mut writer).await.is_err()
        {
            let path = self.path.display();
            tracing::warn!(
                %path,
                "the writer of the database did not end in time and was cut; \
                 what it had not committed is lost"
            );
            writer.abort();
        }
    }
}

fn write_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .locking_mode(SqliteLockingMode::Normal)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits in a power cut, though the submit was accepted.
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", JOURNAL_BYTES)
        // What is erased or past its retention is overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(64)
        .optimize_on_close(true, None)
        .thread_name(|_| "quhao-sqlite-writer".to_owned())
}

fn read_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(64)
        .thread_name(|number| format!("quhao-sqlite-reader-{number}"))
}
