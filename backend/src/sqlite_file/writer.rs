//! The one task that writes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction, sqlite::SqliteConnectOptions,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{DatabaseError, file::Claim};

/// Commands in one transaction at most: bounds how long a reader's view, and the first
/// caller of a group, wait for the last.
const GROUP_MAX: usize = 256;

/// Something to do inside a transaction, and somebody who waits for its commit.
pub(super) trait Command: Send {
    /// Whether somebody still waits.
    fn is_wanted(&self) -> bool;

    /// Does it. Called once.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>>;

    /// Tells whoever waits how it ended.
    fn answer(self: Box<Self>, end: Result<(), DatabaseError>);
}

/// A [`Command`] made of a closure and the channel for its value.
pub(super) struct Call<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T, F> Call<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, DatabaseError>>) -> Self {
        Self { work: Some(work), value: None, reply }
    }
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        let work = self.work.take();
        Box::pin(async move {
            if let Some(work) = work {
                self.value = Some(work(connection).await?);
            }
            Ok(())
        })
    }

    fn answer(self: Box<Self>, end: Result<(), DatabaseError>) {
        let Self { value, reply, .. } = *self;
        let result = end.and_then(|()| value.ok_or(DatabaseError::Closed));
        // Who gave up waiting does not want to know.
        let _ = reply.send(result);
    }
}

/// What ties the writer to its [`crate::sqlite_file::Database`].
#[derive(Debug)]
pub(super) struct Ties {
    pub(super) closing: CancellationToken,
    pub(super) commits: Arc<AtomicU64>,
    pub(super) lock: Claim,
}

/// Owns the one connection that writes: a pool of one could only add waiting.
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// `None` after an error that left it in an unknown state.
    connection: Option<SqliteConnection>,
    inbox: mpsc::Receiver<Box<dyn Command>>,
    ties: Ties,
}

impl Writer {
    pub(super) async fn open(
        options: SqliteConnectOptions,
        inbox: mpsc::Receiver<Box<dyn Command>>,
        ties: Ties,
    ) -> Result<Self, DatabaseError> {
        let connection = Some(options.connect().await?);
        Ok(Self { options, connection, inbox, ties })
    }

    /// Runs until the database is closed or dropped, and then everything that is waiting.
    pub(super) async fn run(mut self) {
        let closing = self.ties.closing.clone();
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
            tracing::warn!(%error, "the database was not closed in good order");
        }
        // Only now may another process have the file.
        drop(self.ties.lock);
    }

    /// Runs `group` in one transaction and answers everybody in it.
    async fn commit(&mut self, mut group: Vec<Box<dyn Command>>) {
        let ends = match self.transact(&mut group).await {
            Ok(ends) => {
                self.ties.commits.fetch_add(1, Ordering::Relaxed);
                ends
            }
            Err(error) => {
                tracing::warn!(%error, commands = group.len(), "a transaction failed");
                // SQLite may have ended the transaction by itself: start afresh.
                self.connection = None;
                vec![Err(error); group.len()]
            }
        };
        for (command, end) in group.into_iter().zip(ends) {
            command.answer(end);
        }
    }

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
        let ends = run_each(transaction, group).await;
        ends.map_err(|error| DatabaseError::Transaction(Arc::new(error)))
    }
}

/// Runs each command of `group` inside a savepoint, and commits.
async fn run_each(
    mut transaction: Transaction<'_, Sqlite>,
    group: &mut [Box<dyn Command>],
) -> Result<Vec<Result<(), DatabaseError>>, sqlx::Error> {
    let mut ends = Vec::with_capacity(group.len());
    for command in group {
        let mut savepoint = transaction.begin().await?;
        match command.run(&mut savepoint).await {
            Ok(()) => {
                savepoint.commit().await?;
                ends.push(Ok(()));
            }
            // A full disk and the like end the whole transaction: then there is nothing to
            // go back to, and the cause is this command's.
            Err(error) => match savepoint.rollback().await {
                Ok(()) => ends.push(Err(error.into())),
                Err(_) => return Err(error),
            },
        }
    }
    transaction.commit().await?;
    Ok(ends)
}
