//! The embedded store: tables in an SQLite file that one process has for itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use time::OffsetDateTime;
use tokio::sync::broadcast;

use super::{error::StoreError, notification::Notification};
use crate::{
    schema_version::Schema,
    sqlite_file::{Database, DatabaseError},
};
use quhao_common::config;

mod encoding;
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

#[cfg(test)]
mod tests;

pub(super) use self::listen::Notifications;

/// The most commits that a listener may be behind; beyond it, it gets a gap.
const NOTIFICATIONS_MAX: usize = 256;

/// The store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    database: Arc<Database>,
    /// The time limit of each call.
    limit: Duration,
    notifications: broadcast::Sender<Notification>,
    closed: AtomicBool,
}

impl SqliteStore {
    /// Opens the store in `database`.
    pub(crate) fn open(database: Arc<Database>, settings: &config::Store) -> Self {
        database.retain();
        Self {
            database,
            limit: settings.statement_timeout,
            notifications: broadcast::Sender::new(NOTIFICATIONS_MAX),
            closed: AtomicBool::new(false),
        }
    }

    /// Migrates the schema. Returns the migrations that were applied.
    pub(super) async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        Ok(self.database.migrate().await?)
    }

    /// Returns the version of the schema.
    pub(super) async fn schema(&self) -> Result<Schema, StoreError> {
        Ok(self.database.schema(self.limit).await?)
    }

    /// Returns the time of this process's clock: SQLite has no other.
    #[expect(clippy::unused_async, reason = "the seam's other member asks a server")]
    pub(super) async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        Ok(OffsetDateTime::now_utc())
    }

    /// Closes the file, unless the queue still uses it.
    pub(super) async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.database.release(self.limit).await;
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::File { .. } | DatabaseError::InUse(_) => {
                Self::Settings(error.to_string())
            }
            DatabaseError::Statement(error) if is_about_form(&error) => {
                Self::Form("a column has another type than this build expects")
            }
            error if error.is_permanent() => Self::Rejected(Box::new(error)),
            error => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Returns whether a row could not be read.
fn is_about_form(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, ColumnIndexOutOfBounds, ColumnNotFound, Decode, TypeNotFound};
    matches!(
        error,
        ColumnDecode { .. }
            | ColumnIndexOutOfBounds { .. }
            | ColumnNotFound(_)
            | Decode(_)
            | TypeNotFound { .. }
    )
}
