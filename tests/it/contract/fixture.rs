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

/// A queue and a store of a test's own, which can be opened any number of times.
pub(super) struct Fixture {
    /// The configuration of the queue.
    pub(super) queue: config::Queue,
    /// The configuration of the store.
    pub(super) store: config::Store,
    /// The places of both; dropping them removes them.
    pub(super) backing: Backing,
    _folder: TempDir,
}

impl Fixture {
    /// Creates an empty one with this version's schema.
    pub(super) async fn new(mode: Mode) -> Self {
        let fixture = Self::without_schema(mode).await;
        let store = open_store(&fixture.store).await.expect("the store opens");
        store.migrate().await.expect("the schema");
        store.close().await;
        fixture
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

    /// Returns the names of the queues: jobs, unrouted, outcomes, dead letters.
    pub(super) fn queues(&self) -> [String; 4] {
        match &self.backing {
            Backing::Servers { prefix, .. } => prefix.queues(),
            Backing::File => panic!("a file has no broker"),
        }
    }

    /// Opens both seams, like a process does.
    pub(super) async fn open(&self, roles: Roles) -> Backend {
        Backend::open(&self.queue, &self.store, roles).await.expect("the seams open")
    }

    /// Opens both, to publish and to consume.
    pub(super) async fn open_for_both(&self) -> Backend {
        self.open(Roles { publish: true, prefetch_max: Some(100) }).await
    }
}

/// A fixture whose store is open.
pub(super) struct Open {
    pub(super) backend: Backend,
    _fixture: Fixture,
}

impl Open {
    pub(super) async fn new(mode: Mode) -> Self {
        let fixture = Fixture::new(mode).await;
        let backend = fixture.open(Roles { publish: false, prefetch_max: None }).await;
        Self { backend, _fixture: fixture }
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
