//! The one task that writes to the file.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction, sqlite::SqliteConnectOptions,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{command::Command, error::DatabaseError, file::FileLock};

/// The most commands in one transaction. It bounds how long readers see an old state, and how
/// long the first caller of a group waits for the last command.
const GROUP_MAX: usize = 256;

/// What the writer shares with its [`crate::sqlite_file::Database`].
#[derive(Debug)]
pub(super) struct WriterHandles {
    /// Cancelled once the database is being closed.
    pub(super) closing: CancellationToken,
    /// The number of committed transactions.
    pub(super) commits: Arc<AtomicU64>,
    /// Held until the writer has ended.
    pub(super) lock: FileLock,
}

/// The owner of the one connection that writes: a pool of one could only add waiting.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after an error that left it in an unknown state.
    connection: Option<SqliteConnection>,
    inbox: mpsc::Receiver<Box<dyn Command>>,
    handles: WriterHandles,
}

impl Writer {
    /// Connects to the file, and makes it if it does not exist.
    pub(super) async fn open(
        options: SqliteConnectOptions,
        inbox: mpsc::Receiver<Box<dyn Command>>,
        handles: WriterHandles,
    ) -> Result<Self, DatabaseError> {
        let connection = Some(options.connect().await?);
        Ok(Self { options, connection, inbox, handles })
    }

    /// Runs until the database is closed or dropped and every command that waited is done.
    pub(super) async fn run(mut self) {
        let closing = self.handles.closing.clone();
        let mut group = Vec::with_capacity(GROUP_MAX);
        loop {
            tokio::select! {
                biased;
                _ = self.inbox.recv_many(&mut group, GROUP_MAX) => {}
                () = closing.cancelled(), if !self.inbox.is_closed() => {
                    self.inbox.close();
                    continue;
                }
            }
            if group.is_empty() {
                break;
            }
            group.retain(|command| command.is_wanted());
            if !group.is_empty() {
                self.commit(std::mem::take(&mut group)).await;
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database did not close in order");
        }
        // Only now may another process open the file.
        drop(self.handles.lock);
    }

    /// Runs `group` in one transaction and answers all callers.
    async fn commit(&mut self, mut group: Vec<Box<dyn Command>>) {
        let results = match self.transact(&mut group).await {
            Ok(results) => {
                self.handles.commits.fetch_add(1, Ordering::Relaxed);
                results
            }
            Err(error) => {
                tracing::warn!(%error, commands = group.len(), "a transaction failed; its commands fail");
                // SQLite may have ended the transaction by itself: use a new connection.
                self.connection = None;
                vec![Err(error); group.len()]
            }
        };
        for (command, result) in group.into_iter().zip(results) {
            command.answer(result);
        }
    }

    /// Runs `group` in one transaction. Returns the result of each command.
    async fn transact(
        &mut self,
        group: &mut [Box<dyn Command>],
    ) -> Result<Vec<Result<(), DatabaseError>>, DatabaseError> {
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await?);
        }
        let connection = self.connection.as_mut().ok_or(DatabaseError::Closed)?;
        // Immediate: a deferred transaction that reads first cannot wait for a lock later.
        let transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let results = run_each(transaction, group).await;
        results.map_err(|error| DatabaseError::Transaction(Arc::new(error)))
    }
}

/// Runs each command of `group` inside a savepoint of its own, and commits.
async fn run_each(
    mut transaction: Transaction<'_, Sqlite>,
    group: &mut [Box<dyn Command>],
) -> Result<Vec<Result<(), DatabaseError>>, sqlx::Error> {
    let mut results = Vec::with_capacity(group.len());
    for command in group {
        let mut savepoint = transaction.begin().await?;
        match command.run(&mut savepoint).await {
            Ok(()) => {
                savepoint.commit().await?;
                results.push(Ok(()));
            }
            // A full disk and the like end the whole transaction: then there is no savepoint
            // to return to, and the cause is this command's.
            Err(error) => match savepoint.rollback().await {
                Ok(()) => results.push(Err(error.into())),
                Err(_) => return Err(error),
            },
        }
    }
    transaction.commit().await?;
    Ok(results)
}
