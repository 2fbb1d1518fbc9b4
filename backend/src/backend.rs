//! Queue and store of one process, opened together: in embedded mode they may share a
//! file, and a file has one writer.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    queue::{Queue, QueueError, Roles, amqp::AmqpQueue, sqlite::SqliteQueue},
    sqlite_file::{self, Database},
    store::{Store, StoreError, postgres::PostgresStore, sqlite::SqliteStore},
};
use quhao_common::config::{self, QueueUrl, StoreUrl};

/// The two data seams of a process.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Who carries envelopes.
    pub queue: Arc<Queue>,
    /// Who keeps results.
    pub store: Arc<Store>,
}

/// Why the seams cannot be opened. A server that is out of reach is no reason: links
/// mend themselves.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The queue's settings.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store's settings.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Backend {
    /// Opens both seams. Must be called inside a Tokio runtime.
    ///
    /// The store's schema is not touched: see [`Store::migrate`]. An embedded queue in the
    /// same file needs that schema too, before anything is published or taken.
    pub async fn open(
        queue: &config::Queue,
        store: &config::Store,
        roles: Roles,
    ) -> Result<Self, BackendError> {
        let (queue, store) = match (&queue.url, &store.url) {
            (QueueUrl::Amqp(_), StoreUrl::Postgres(_)) => {
                let queue = AmqpQueue::open(queue, roles)?;
                (Queue::Amqp(queue), Store::Postgres(PostgresStore::open(store)?))
            }
            (QueueUrl::Sqlite(queue_path), StoreUrl::Sqlite(path)) => {
                let database = Database::open(path).await.map_err(StoreError::from)?;
                let of_queue = queue_database(queue_path, &database).await?;
                let queue = SqliteQueue::open(of_queue, queue, roles);
                (Queue::Sqlite(queue), Store::Sqlite(SqliteStore::open(database, store)))
            }
            (QueueUrl::Amqp(_), StoreUrl::Sqlite(_))
            | (QueueUrl::Sqlite(_), StoreUrl::Postgres(_)) => {
                let mixed =
                    "queue.url and store.url must both name an SQLite file or both a server";
                return Err(QueueError::Settings(mixed.to_owned()).into());
            }
        };
        Ok(Self { queue: Arc::new(queue), store: Arc::new(store) })
    }

    /// New connections to the servers use what these settings say of where they are; those
    /// that are there stay. Anything else in the settings does not count. An error changes
    /// nothing.
    pub fn reconfigure(
        &self,
        queue: &config::Queue,
        store: &config::Store,
    ) -> Result<(), BackendError> {
        // The store may refuse; the configuration has tried the queue's URL.
        self.store.reconfigure(store)?;
        Ok(self.queue.reconfigure(queue)?)
    }

    /// Ends the queue and then the store, so that a settlement finds its database. The
    /// queue has `limit`; the store has its own.
    pub async fn close(&self, limit: Duration) {
        self.queue.close(limit).await;
        self.store.close().await;
    }
}

/// Opens the store alone, for a command that has nothing to do with the queue.
pub async fn open_store(store: &config::Store) -> Result<Store, StoreError> {
    match &store.url {
        StoreUrl::Postgres(_) => Ok(Store::Postgres(PostgresStore::open(store)?)),
        StoreUrl::Sqlite(path) => {
            Ok(Store::Sqlite(SqliteStore::open(Database::open(path).await?, store)))
        }
    }
}

/// The database of an embedded queue: the store's own, or another file, which is brought
/// up to date here, since no command does it.
async fn queue_database(
    path: &Path,
    of_store: &Arc<Database>,
) -> Result<Arc<Database>, QueueError> {
    if sqlite_file::same_file(path, of_store.path())? {
        return Ok(Arc::clone(of_store));
    }
    let database = Database::open(path).await?;
    database.migrate().await?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use time::OffsetDateTime;

    use super::*;
    use crate::{queue::Message, sqlite_file::scratch::Scratch};
    use quhao_common::domain::id::JobId;

    const LIMIT: Duration = Duration::from_secs(10);
    const ROLES: Roles = Roles { publish: true, prefetch_max: Some(8) };

    fn queue(url: QueueUrl) -> config::Queue {
        config::Queue {
            url,
            prefix: "quhao".to_owned(),
            confirm_timeout: LIMIT,
            publish_window: 10,
            heartbeat: LIMIT,
            connect_timeout: LIMIT,
            length_max: 10,
            delivery_limit: 20,
        }
    }

    fn store(path: &Path) -> config::Store {
        config::Store {
            url: StoreUrl::Sqlite(path.to_owned()),
            connections_max: 4,
            acquire_timeout: LIMIT,
            statement_timeout: LIMIT,
            retention: LIMIT,
            session_retention: LIMIT,
        }
    }

    #[tokio::test]
    async fn embedded_seams_share_a_file_or_have_two() {
        let scratch = Scratch::new();
        let path = scratch.path("quhao.db");
        let alone = open_store(&store(&path)).await.unwrap();
        let all: Vec<_> = (1..=crate::store::SCHEMA_VERSION).collect();
        assert_eq!(alone.migrate().await.unwrap(), all);
        alone.close().await;

        for other in ["quhao.db", "queue.db"] {
            let folder = scratch.path("folder");
            let _ = std::fs::create_dir(&folder);
            // The same file by another name, then another file.
            let of_queue = queue(QueueUrl::Sqlite(folder.join("..").join(other)));
            let backend = Backend::open(&of_queue, &store(&path), ROLES).await.unwrap();
            let second = Backend::open(&of_queue, &store(&path), ROLES).await.unwrap_err();
            assert!(second.to_string().contains("another quhao process"), "{second}");
            let message = Message {
                id: JobId::from_bytes([1; 25]),
                body: vec![1],
                expires_at: OffsetDateTime::now_utc() + time::Duration::MINUTE,
                traceparent: None,
            };
            backend.queue.publish(message).await.unwrap();
            assert_eq!(backend.queue.next(1).await.unwrap().len(), 1);
            backend.close(LIMIT).await;
        }
    }

    #[tokio::test]
    async fn a_file_and_a_server_do_not_go_together() {
        let scratch = Scratch::new();
        let server = queue(QueueUrl::Amqp(SecretString::from("amqp://127.0.0.1:1/%2f")));
        let mixed = Backend::open(&server, &store(&scratch.path("quhao.db")), ROLES).await;
        assert!(matches!(mixed, Err(BackendError::Queue(QueueError::Settings(_)))), "{mixed:?}");
    }
}
