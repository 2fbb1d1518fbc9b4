//! Queue and store of one process, opened together: in embedded mode they may share a file,
//! and a file has one writer.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    queue::{Queue, QueueError, Roles, amqp::AmqpQueue, sqlite::SqliteQueue},
    sqlite_file::{self, Database},
    store::{Store, StoreError, postgres::PostgresStore, sqlite::SqliteStore},
};
use quhao_common::config::{self, QueueUrl, StoreUrl};

/// The two seams of a process.
#[derive(Debug, Clone)]
pub struct Backend {
    /// What carries envelopes.
    pub queue: Arc<Queue>,
    /// What keeps results.
    pub store: Arc<Store>,
}

/// Why the seams cannot be opened. A server that is out of reach is no reason: connections are
/// established later, by themselves.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Backend {
    /// Opens both seams. Must be called inside a Tokio runtime.
    ///
    /// The store's schema is not touched: see [`Store::migrate`]. An embedded queue in the same
    /// file needs that schema too, before anything is published or consumed.
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
                let queue_database = queue_database(queue_path, &database).await?;
                let queue = SqliteQueue::open(queue_database, queue, roles);
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

    /// Uses the addresses in these settings for new connections; those that are open stay. Other
    /// settings do not count. An error changes nothing.
    pub fn reconfigure(
        &self,
        queue: &config::Queue,
        store: &config::Store,
    ) -> Result<(), BackendError> {
        // The store first: it may refuse its URL, while the configuration has read the queue's.
        self.store.reconfigure(store)?;
        Ok(self.queue.reconfigure(queue)?)
    }

    /// Closes the queue and then the store, so that settlements can still be written. The queue
    /// has `limit`; the store has its own.
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

/// Returns the database of an embedded queue: the store's own, or another file, which is
/// migrated here, since no command does it.
async fn queue_database(
    path: &Path,
    store_database: &Arc<Database>,
) -> Result<Arc<Database>, QueueError> {
    if sqlite_file::is_same_file(path, store_database.path())? {
        return Ok(Arc::clone(store_database));
    }
    let database = Database::open(path).await?;
    database.migrate().await?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use time::OffsetDateTime;

    use super::*;
    use crate::queue::{Message, MessageKind};
    use quhao_common::{config::broker_address::BrokerAddress, domain::id::JobId};

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
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("quhao.db");
        let alone = open_store(&store(&path)).await.unwrap();
        let all: Vec<_> = (1..=crate::store::SCHEMA_VERSION).collect();
        assert_eq!(alone.migrate().await.unwrap(), all);
        alone.close().await;

        for other in ["quhao.db", "queue.db"] {
            let inner = folder.path().join("inner");
            let _ = std::fs::create_dir(&inner);
            // The same file by another name, then another file.
            let settings = queue(QueueUrl::Sqlite(inner.join("..").join(other)));
            let backend = Backend::open(&settings, &store(&path), ROLES).await.unwrap();
            let second = Backend::open(&settings, &store(&path), ROLES).await.unwrap_err();
            assert!(second.to_string().contains("another quhao process"), "{second}");
            let expires_at = OffsetDateTime::now_utc() + time::Duration::MINUTE;
            let message = Message {
                id: JobId::from_bytes([1; 25]),
                body: vec![1],
                kind: MessageKind::Job { expires_at, traceparent: None },
            };
            backend.queue.publish(message).await.unwrap();
            assert_eq!(backend.queue.next(1).await.unwrap().len(), 1);
            backend.close(LIMIT).await;
        }
    }

    #[tokio::test]
    async fn file_and_server_are_refused_together() {
        let folder = TempDir::new().unwrap();
        let server = BrokerAddress::parse("amqp://127.0.0.1:1/%2f").expect("an address");
        let server = queue(QueueUrl::Amqp(server));
        let mixed = Backend::open(&server, &store(&folder.path().join("quhao.db")), ROLES).await;
        assert!(matches!(mixed, Err(BackendError::Queue(QueueError::Settings(_)))), "{mixed:?}");
    }
}
