//! Queue and store of a test's own, and what passes through the queue.

use std::{sync::Arc, time::Duration};

use quhao_backend::{
    backend::{Backend, open_store},
    queue::{
        DeadLetterReason, Delivery, Disposition, Lane, Message, MessageKind, PublishError, Queue,
        Roles,
    },
    store::{SCHEMA_VERSION, Store},
};
use quhao_common::config::{self, Config, LoadOptions, minimal_example};
use quhao_tests::{
    config::{Backing, Mode},
    settings,
    wait::{PATIENCE, eventually, within},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::{
    super::file::{number, text},
    job::{id, time},
};

/// Queue and store, to be opened any number of times.
pub(crate) struct Seams {
    pub(crate) queue: config::Queue,
    store: config::Store,
    pub(crate) backing: Backing,
    folder: TempDir,
}

impl Seams {
    /// Makes them; servers have this build's schema, a file is not there yet.
    pub(crate) async fn new(mode: Mode) -> Self {
        let (backing, folder) = (Backing::new(mode).await, TempDir::new().unwrap());
        let file = folder.path().join("quhao.db");
        let (queue, store) = match &backing {
            Backing::Servers { prefix, database } => {
                (settings::amqp(prefix), settings::postgres(database.url()))
            }
            Backing::File => (settings::sqlite_queue(&file), settings::sqlite_store(&file)),
        };
        Self { queue, store, backing, folder }
    }

    /// Returns where the file of embedded mode is.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("quhao.db")
    }

    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self) {
        migrate(&self.store).await;
    }

    /// Opens both, to take nothing from the queue.
    pub(crate) async fn open(&self) -> Opened {
        self.open_with(Roles { publish: true, prefetch_max: None }).await
    }

    /// Opens both, to take from the queue too.
    pub(crate) async fn open_to_take(&self) -> Opened {
        self.open_with(Roles { publish: true, prefetch_max: Some(100) }).await
    }

    async fn open_with(&self, roles: Roles) -> Opened {
        Opened(Backend::open(&self.queue, &self.store, roles).await.expect("the seams open"))
    }
}

/// Both seams, open.
pub(crate) struct Opened(Backend);

impl Opened {
    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Closes both, as a process does that ends in order.
    pub(crate) async fn close(&self) {
        self.0.close(Duration::from_secs(10)).await;
    }

    /// Publishes the message that `of` describes, as soon as there is a link.
    pub(crate) async fn publish(&self, of: &Value, body: &[u8]) {
        eventually("a publish is taken", PATIENCE, async || {
            taken(self.queue().publish(message(of, body)).await)
        })
        .await;
    }

    /// Publishes a message so many times at once, over a link that is there.
    pub(crate) async fn publish_at_once(&self, of: &Value, body: &[u8], count: usize) {
        let mut publishing = JoinSet::new();
        for _ in 0..count {
            let (queue, message) = (Arc::clone(&self.0.queue), message(of, body));
            publishing.spawn(async move { queue.publish(message).await });
        }
        for published in publishing.join_all().await {
            published.expect("a link");
        }
    }

    /// Hands an outcome over, as soon as there is a link.
    pub(crate) async fn hand_over(&self, wire: &str, body: &[u8]) {
        eventually("an outcome is taken", PATIENCE, async || {
            taken(self.queue().hand_over(id(wire), body.to_vec()).await)
        })
        .await;
    }

    /// Takes the next delivery.
    pub(crate) async fn take(&self) -> Taken {
        let next = self.queue().next(1);
        let mut taken = within("a delivery", PATIENCE, next).await.expect("the queue is taking");
        Taken(taken.remove(0))
    }

    /// Returns how many messages wait, and for what.
    pub(crate) async fn depths(&self) -> Value {
        let depths = self.queue().depths().await.expect("the depths");
        json!({
            "jobs": depths.jobs,
            "unrouted": depths.unrouted,
            "outcomes": depths.outcomes,
            "dead_letters": depths.dead_letters,
        })
    }
}

async fn migrate(settings: &config::Store) {
    let store = open_store(settings).await.expect("the store opens");
    store.migrate().await.expect("this build's migrations follow those of before");
    let schema = store.schema().await.expect("the schema");
    assert_eq!(schema.version, SCHEMA_VERSION);
    assert!(schema.min_compatible <= SCHEMA_VERSION);
    store.close().await;
}

/// Brings the schema of somebody else's database up to date; a process does so with its file.
pub(crate) async fn migrate_server(backing: &Backing) {
    if let Backing::Servers { database, .. } = backing {
        migrate(&settings::postgres(database.url())).await;
    }
}

/// Returns nothing where a link is still being made: that is no refusal of this message.
fn taken(published: Result<(), PublishError>) -> Option<()> {
    match published {
        Ok(()) => Some(()),
        Err(PublishError::Unavailable) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Returns a message with this body, as `of` describes it.
fn message(of: &Value, body: &[u8]) -> Message {
    let lifetime = of["expires_in_ms"].as_u64().map(Duration::from_millis);
    let expires_at = match lifetime {
        // A broker takes an end within weeks alone.
        Some(lifetime) => OffsetDateTime::now_utc() + lifetime,
        None => time(number(of, "expires_ms")),
    };
    let traceparent = of["traceparent"].as_str().map(str::to_owned);
    let kind = MessageKind::Job { expires_at, traceparent };
    Message { id: id(text(of, "id")), body: body.to_vec(), kind }
}

/// A delivery that is not settled yet.
pub(crate) struct Taken(Delivery);

impl Taken {
    pub(crate) fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// Says which way it came.
    pub(crate) fn way(&self) -> String {
        match self.0.lane {
            Lane::Jobs { unsettled } => format!("a job, unsettled {unsettled} times"),
            Lane::Outcomes => "an outcome".to_owned(),
            Lane::DeadLetters(reason) => {
                let why = match reason {
                    DeadLetterReason::Expired => "expired",
                    DeadLetterReason::DeliveryLimit => "delivery_limit",
                    DeadLetterReason::Rejected => "rejected",
                    DeadLetterReason::Other => "other",
                };
                format!("dead: {why}")
            }
        }
    }

    /// Settles it: it is done.
    pub(crate) fn done(self) {
        self.0.settle(Disposition::Ack);
    }

    /// Settles it: nobody can read it.
    pub(crate) fn unreadable(self) {
        self.0.settle(Disposition::DeadLetter);
    }
}

/// Returns the first part of the names at the broker where a configuration names none.
pub(crate) fn prefix_by_default() -> String {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("quhao.toml");
    std::fs::write(&file, minimal_example().expect("an example")).expect("a file of our own");
    let options = LoadOptions { file: Some(file), ..LoadOptions::default() };
    Config::load(&options).expect("the example is a whole configuration").queue.prefix
}
