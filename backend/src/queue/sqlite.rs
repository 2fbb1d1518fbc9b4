//! The embedded queue: a table in an SQLite file that one process has for itself.
//!
//! Because the file has one process, it need not be written down which jobs are being run: the
//! ids of what is in flight are a set in memory. A live process never gets its own running job
//! again, and when it ends, however it ends, everything it held is free. So there are no
//! leases that expire, nothing to renew, and requeueing a delivery costs no write. What is on
//! disk is only how often a message was handed out: that detects a redelivery, and
//! dead-letters a job that ends the process each time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, TryAcquireError},
    time::Instant,
};

use self::{
    consumer::{Consumer, FetchOnDrop},
    rows::NewRow,
};
use super::{
    delivery::Delivery,
    error::{PublishError, QueueError},
    message::Message,
    status::{Depths, Roles},
};
use crate::sqlite_file::{Database, DatabaseError};
use quhao_common::{config, process::metrics};

mod rows;
mod in_flight;
mod fetcher;
mod settler;
mod consumer;

#[cfg(test)]
mod tests;

pub(super) use self::in_flight::Receipt;

/// The queue in an SQLite file. Its table comes with the schema: see [`Database::migrate`].
#[derive(Debug)]
pub struct SqliteQueue {
    database: Arc<Database>,
    /// Whether this process publishes.
    publishes: bool,
    confirm_timeout: Duration,
    /// The most messages that are not dead letters.
    length_max: i64,
    /// A permit for each publish that may be under way.
    window: Semaphore,
    consumer: Option<Consumer>,
    closed: AtomicBool,
}

impl SqliteQueue {
    /// Opens the queue in `database`. Must be called inside a Tokio runtime.
    pub(crate) fn open(database: Arc<Database>, settings: &config::Queue, roles: Roles) -> Self {
        database.retain();
        let consumer = roles
            .prefetch_max
            .map(|prefetch_max| Consumer::start(&database, settings, prefetch_max));
        Self {
            database,
            publishes: roles.publish,
            confirm_timeout: settings.confirm_timeout,
            length_max: i64::try_from(settings.length_max).unwrap_or(i64::MAX),
            window: Semaphore::new(settings.publish_window.clamp(1, Semaphore::MAX_PERMITS)),
            consumer,
            closed: AtomicBool::new(false),
        }
    }

    /// Publishes a job. The body holds the trace context already.
    pub(super) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        // An outcome would come into the database that it could not be committed to.
        let Some(row) = NewRow::of_job(message) else { return Err(PublishError::Unavailable) };
        let started = Instant::now();
        let published = self.insert(row).await;
        match published {
            Ok(()) => metrics::confirmed(started.elapsed()),
            Err(refusal) => metrics::publish_refused(refusal),
        }
        published
    }

    async fn insert(&self, row: NewRow) -> Result<(), PublishError> {
        if !self.publishes {
            return Err(PublishError::Unavailable);
        }
        let _permit = self.window.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits => PublishError::Full,
            TryAcquireError::Closed => PublishError::Unavailable,
        })?;
        // Also if the caller goes away meanwhile: the commit may happen all the same.
        let _fetch = self.consumer.as_ref().map(FetchOnDrop);
        let length_max = self.length_max;
        let inserted = self
            .database
            .write(self.confirm_timeout, move |connection| {
                Box::pin(rows::insert(connection, row, length_max))
            })
            .await;
        match inserted {
            Ok(true) => Ok(()),
            Ok(false) => Err(PublishError::Full),
            Err(DatabaseError::Timeout | DatabaseError::Transaction(_)) => {
                Err(PublishError::Unconfirmed)
            }
            Err(error) => {
                tracing::warn!(%error, "a publish failed; the submit is refused");
                Err(PublishError::Unavailable)
            }
        }
    }

    /// Returns the next deliveries.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        self.consumer.as_ref()?.next(max).await
    }

    /// Stops fetching for good.
    pub(super) async fn stop_consuming(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.stop().await;
        }
    }

    /// Writes the settlements that are still here and gives the file up, within `limit`.
    pub(super) async fn close(&self, limit: Duration) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let deadline = Instant::now() + limit;
        self.window.close();
        if let Some(consumer) = &self.consumer {
            consumer.close(deadline).await;
        }
        self.database.release(deadline.saturating_duration_since(Instant::now())).await;
    }

    /// Returns how many jobs are ready.
    pub(super) async fn depth(&self) -> Result<u64, QueueError> {
        let length = self
            .database
            .read(self.confirm_timeout, |connection| Box::pin(rows::length(connection)))
            .await?;
        let in_flight = self.consumer.as_ref().map_or(0, Consumer::in_flight);
        Ok(u64::try_from(length).unwrap_or(0).saturating_sub(in_flight as u64))
    }

    /// Returns how many jobs and dead letters are there. No outcomes are ever published, and
    /// no job misses the table.
    pub(super) async fn depths(&self) -> Result<Depths, QueueError> {
        let jobs = self.depth().await?;
        let dead_letters = self
            .database
            .read(self.confirm_timeout, |connection| Box::pin(rows::dead_letters(connection)))
            .await?;
        let dead_letters = u64::try_from(dead_letters).unwrap_or(0);
        Ok(Depths { jobs, dead_letters, ..Depths::default() })
    }
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::File { .. } | DatabaseError::InUse(_) => {
                Self::Settings(error.to_string())
            }
            DatabaseError::Timeout => Self::Timeout,
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
