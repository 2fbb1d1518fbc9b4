//! What a contract test opens its seams on.

use std::time::Duration;

use quhao_common::{
    backend::{Backend, open_store},
    config,
    queue::{Delivery, Queue, Roles},
};
use quhao_tests::{
    config::{Backing, Mode},
    folder::Folder,
    settings,
    wait::{PATIENCE, within},
};

/// Queue and store of a test's own, to be opened any number of times.
pub(super) struct Ground {
    /// What the queue is opened with.
    pub(super) queue: config::Queue,
    /// What the store is opened with.
    pub(super) store: config::Store,
    /// Kept until the end: removes them.
    _backing: Backing,
    _folder: Folder,
}

impl Ground {
    /// An empty one with this version's schema.
    pub(super) async fn new(mode: Mode) -> Self {
        let (backing, folder) = (Backing::new(mode).await, Folder::new());
        let file = folder.join("quhao.db");
        let (queue, store) = match &backing {
            Backing::Servers { prefix, database } => {
                (settings::amqp(prefix), settings::postgres(database))
            }
            Backing::File => (settings::sqlite_queue(&file), settings::sqlite_store(&file)),
        };
        let ground = Self { queue, store, _backing: backing, _folder: folder };
        let store = open_store(&ground.store).await.expect("the store opens");
        store.migrate().await.expect("the schema");
        store.close().await;
        ground
    }

    /// Opens both seams, like a process does.
    pub(super) async fn open(&self, roles: Roles) -> Backend {
        Backend::open(&self.queue, &self.store, roles).await.expect("the seams open")
    }

    /// Opens both for publishing and for taking.
    pub(super) async fn open_for_both(&self) -> Backend {
        self.open(Roles { publish: true, take_max: Some(100) }).await
    }
}

/// Closes both seams, like a process that ends in order.
pub(super) async fn close(backend: &Backend) {
    backend.close(Duration::from_secs(10)).await;
}

/// The next deliveries, within a test's patience.
pub(super) async fn take(queue: &Queue, max: usize) -> Vec<Delivery> {
    let taken = within("a delivery", PATIENCE, queue.next(max)).await.expect("the queue is taking");
    assert!(!taken.is_empty() && taken.len() <= max, "at least one and at most {max} deliveries");
    taken
}

/// The next delivery.
pub(super) async fn take_one(queue: &Queue) -> Delivery {
    take(queue, 1).await.remove(0)
}
