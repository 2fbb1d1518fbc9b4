//! What a contract test opens its seams on.

use std::time::Duration;

use quhao_backend::{
    backend::{Backend, open_store},
    queue::{Delivery, Queue, Roles},
    store::Store,
};
use quhao_common::config;
use quhao_tests::{
    config::{Backing, Mode},
    settings,
    wait::{PATIENCE, within},
};
use tempfile::TempDir;

/// Queue and store of a test's own, to be opened any number of times.
pub(super) struct Ground {
    /// What the queue is opened with.
    pub(super) queue: config::Queue,
    /// What the store is opened with.
    pub(super) store: config::Store,
    /// Where they are; kept until the end: removes them.
    pub(super) backing: Backing,
    _folder: TempDir,
}

impl Ground {
    /// Creates an empty one with this version's schema.
    pub(super) async fn new(mode: Mode) -> Self {
        let ground = Self::without_schema(mode).await;
        let store = open_store(&ground.store).await.expect("the store opens");
        store.migrate().await.expect("the schema");
        store.close().await;
        ground
    }

    /// Creates one whose file does not exist yet; a database has this version's schema.
    pub(super) async fn without_schema(mode: Mode) -> Self {
        let (backing, folder) = (Backing::new(mode).await, TempDir::new().unwrap());
        let file = folder.path().join("quhao.db");
        let (queue, store) = match &backing {
            Backing::Servers { prefix, database } => {
                (settings::amqp(prefix), settings::postgres(database.url()))
            }
            Backing::File => (settings::sqlite_queue(&file), settings::sqlite_store(&file)),
        };
        Self { queue, store, backing, _folder: folder }
    }

    /// Opens both seams, like a process does.
    pub(super) async fn open(&self, roles: Roles) -> Backend {
        Backend::open(&self.queue, &self.store, roles).await.expect("the seams open")
    }

    /// Opens both for publishing and for taking.
    pub(super) async fn open_for_both(&self) -> Backend {
        self.open(Roles { publish: true, prefetch_max: Some(100) }).await
    }
}

/// A ground with its store open.
pub(super) struct Open {
    pub(super) backend: Backend,
    _ground: Ground,
}

impl Open {
    pub(super) async fn new(mode: Mode) -> Self {
        let ground = Ground::new(mode).await;
        let backend = ground.open(Roles { publish: false, prefetch_max: None }).await;
        Self { backend, _ground: ground }
    }

    pub(super) fn store(&self) -> &Store {
        &self.backend.store
    }
}

/// Closes both seams, like a process that ends in order.
pub(super) async fn close(backend: &Backend) {
    backend.close(Duration::from_secs(10)).await;
}

/// Returns the next deliveries, within a test's patience.
pub(super) async fn take(queue: &Queue, max: usize) -> Vec<Delivery> {
    let taken = within("a delivery", PATIENCE, queue.next(max)).await.expect("the queue is taking");
    assert!(!taken.is_empty() && taken.len() <= max, "at least one and at most {max} deliveries");
    taken
}

/// Returns the next delivery.
pub(super) async fn take_one(queue: &Queue) -> Delivery {
    take(queue, 1).await.remove(0)
}
