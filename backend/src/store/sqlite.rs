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

use super::{
    batch::ranked,
    error::StoreError,
    notification::{FinishedJobs, Notification},
    purged::Purged,
    stored::StoredSession,
    throughput::Throughput,
};
use crate::{
    schema_version::Schema,
    sqlite_file::{Database, DatabaseError},
};
use quhao_common::{
    config,
    crypto::vault::KeyedHash,
    domain::{
        answer::StoredAnswer,
        app::{AppId, ClientName},
        finished::Finished,
        id::JobKey,
        session_handle::HandleKey,
    },
    envelope::unix_ms::{from_unix_ms, unix_ms},
};

mod answers;
mod app_erasure;
mod callbacks;
mod claims;
mod erasure;
mod exchanges;
mod outcomes;
mod phones;
mod purge;
mod sessions;

#[cfg(test)]
mod tests;

/// Commits that a listener may be behind before it is told to look at all.
const NEWS_MAX: usize = 256;

/// The store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    database: Arc<Database>,
    limit: Duration,
    news: broadcast::Sender<Notification>,
    closed: AtomicBool,
}

/// Notifications of this process's commits.
#[derive(Debug)]
pub struct Notifications(broadcast::Receiver<Notification>);

impl Notifications {
    /// See [`crate::store::Notifications::next`]. After the store's end there is no news.
    pub async fn next(&mut self) -> Notification {
        use broadcast::error::RecvError;
        match self.0.recv().await {
            Ok(news) => news,
            Err(RecvError::Lagged(_)) => Notification::lost(),
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl SqliteStore {
    /// A store in `database`.
    pub fn open(database: Arc<Database>, settings: &config::Store) -> Self {
        database.enter();
        Self {
            database,
            limit: settings.statement_timeout,
            news: broadcast::Sender::new(NEWS_MAX),
            closed: AtomicBool::new(false),
        }
    }

    /// See [`crate::store::Store::migrate`].
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        Ok(self.database.migrate().await?)
    }

    /// See [`crate::store::Store::schema`].
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        Ok(self.database.schema(self.limit).await?)
    }

    /// See [`crate::store::Store::finish`].
    pub async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let best = ranked(batch).into_iter().filter(|outcome| outcome.best);
        let keys = best.map(|outcome| outcome.finished.key).collect();
        let throughput = Throughput::of(batch);
        let (batch, now) = (batch.to_vec(), now_ms());
        self.database
            .write(self.limit, move |connection| {
                Box::pin(async move { outcomes::commit(connection, &batch, now).await })
            })
            .await?;
        // Nobody may be listening.
        let _ = self.news.send(Notification::of(FinishedJobs::Keys(keys), throughput));
        Ok(())
    }

    /// See [`crate::store::Store::answers`].
    pub async fn answers(&self, keys: &[JobKey]) -> Result<Vec<StoredAnswer>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (keys, now) = (json(keys.iter().map(JobKey::as_bytes)), now_ms());
        let rows = self
            .database
            .read(self.limit, move |connection| Box::pin(answers::answers(connection, keys, now)))
            .await?;
        rows.into_iter().map(answers::answer).collect()
    }

    /// See [`crate::store::Store::purge`].
    pub async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        let now = now_ms();
        let purged = self
            .database
            .write(self.limit, move |connection| Box::pin(purge::purge(connection, max, now)));
        Ok(purged.await?)
    }

    /// See [`crate::store::Store::session_of_code`].
    pub async fn session_of_code(
        &self,
        client: &ClientName,
        app: &AppId,
        code_hashes: &[KeyedHash],
    ) -> Result<Option<StoredSession>, StoreError> {
        let owner = (client.clone(), app.clone());
        let (hashes, now) = (code_hashes.to_vec(), now_ms());
        let row = self
            .database
            .read(self.limit, move |connection| {
                Box::pin(sessions::of_code(connection, owner, hashes, now))
            })
            .await?;
        row.map(sessions::session).transpose()
    }

    /// See [`crate::store::Store::session_of_guest`].
    pub async fn session_of_guest(
        &self,
        client: &ClientName,
        app: &AppId,
        openid: &str,
    ) -> Result<Option<StoredSession>, StoreError> {
        let owner = (client.clone(), app.clone());
        let (openid, now) = (openid.to_owned(), now_ms());
        let row = self
            .database
            .read(self.limit, move |connection| {
                Box::pin(async move {
                    let guest = (&owner.0, &owner.1, openid.as_str());
                    sessions::of_guest(connection, guest, now).await
                })
            })
            .await?;
        row.map(sessions::session).transpose()
    }

    /// See [`crate::store::Store::session_of_handle`].
    pub async fn session_of_handle(
        &self,
        client: &ClientName,
        app: &AppId,
        handle: HandleKey,
    ) -> Result<Option<StoredSession>, StoreError> {
        let (owner, now) = ((client.clone(), app.clone()), now_ms());
        let row = self
            .database
            .read(self.limit, move |connection| {
                Box::pin(sessions::of_handle(connection, owner, handle, now))
            })
            .await?;
        row.map(sessions::session).transpose()
    }

    /// See [`crate::store::Store::listen`].
    pub fn listen(&self) -> Notifications {
        Notifications(self.news.subscribe())
    }

    /// See [`crate::store::Store::now`]. Ours: SQLite has no clock but the process's.
    #[expect(clippy::unused_async, reason = "the seam's other member asks a server")]
    pub async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        Ok(OffsetDateTime::now_utc())
    }

    /// See [`crate::store::Store::close`].
    pub async fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.database.leave(self.limit).await;
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::File { .. } | DatabaseError::InUse(_) => {
                Self::Settings(error.to_string())
            }
            DatabaseError::Statement(error) if is_form(&error) => {
                Self::Form("a column of another type")
            }
            error if error.is_lasting() => Self::Rejected(Box::new(error)),
            error => Self::Unavailable(Box::new(error)),
        }
    }
}

fn is_form(error: &sqlx::Error) -> bool {
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

fn now_ms() -> i64 {
    unix_ms(OffsetDateTime::now_utc())
}

/// Keys and hashes go in as one JSON array of hexadecimal texts, so that a statement has one
/// text whatever their number.
fn json<'a>(all: impl IntoIterator<Item = &'a [u8; 16]>) -> String {
    let all: Vec<_> = all.into_iter().map(|bytes| data_encoding::HEXLOWER.encode(bytes)).collect();
    serde_json::Value::from(all).to_string()
}

fn at(ms: i64) -> Result<OffsetDateTime, StoreError> {
    from_unix_ms(ms).ok_or(StoreError::Form("a time outside the calendar"))
}

fn hash(bytes: &[u8]) -> Result<KeyedHash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Form("a keyed hash of another length"))
}
