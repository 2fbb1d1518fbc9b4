//! What the writer runs inside a transaction.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;

use super::error::DatabaseError;

/// Something to run inside a transaction for a caller who waits for the commit.
pub(super) trait Command: Send {
    /// Returns whether the caller still waits.
    fn is_wanted(&self) -> bool;

    /// Runs it. Called once.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>>;

    /// Sends the result to the caller.
    fn answer(self: Box<Self>, result: Result<(), DatabaseError>);
}

/// A command that runs a closure and sends its value.
pub(super) struct ClosureCommand<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, DatabaseError>>,
}

impl<T, F> ClosureCommand<T, F> {
    /// Creates a command that runs `work` and sends what it returns to `reply`.
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, DatabaseError>>) -> Self {
        Self { work: Some(work), value: None, reply }
    }
}

impl<T, F> Command for ClosureCommand<T, F>
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

    fn answer(self: Box<Self>, result: Result<(), DatabaseError>) {
        let Self { value, reply, .. } = *self;
        let result = result.and_then(|()| value.ok_or(DatabaseError::Closed));
        // The caller may have stopped waiting.
        let _ = reply.send(result);
    }
}
