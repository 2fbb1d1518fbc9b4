//! What a trial runs on: the product, a platform, and somebody who is told of results.

use std::ops::{Deref, DerefMut};

use quhao_simulator::Options;
use quhao_tests::{
    config::{Backing, Mode},
    load::WebhookInbox,
    proxy::Proxy,
    world::{World, WorldOptions},
};

/// Calls of the platform that are remembered: more than any load makes.
const CALLS_MAX: usize = 100_000;

/// A product that nobody uses yet.
pub(super) struct Ground {
    pub(super) world: World,
    pub(super) inbox: WebhookInbox,
}

impl Ground {
    /// So many processes; `config` counts over the usual one.
    pub(super) async fn with(producers: usize, workers: usize, config: &str) -> Self {
        Self::telling(WebhookInbox::open().await, producers, workers, config).await
    }

    /// The same with this inbox.
    pub(super) async fn telling(
        inbox: WebhookInbox,
        producers: usize,
        workers: usize,
        config: &str,
    ) -> Self {
        Self::new(Mode::Distributed, inbox, (producers, workers), config).await
    }

    /// One process and one file.
    pub(super) async fn embedded(config: &str) -> Self {
        Self::new(Mode::Embedded, WebhookInbox::open().await, (0, 0), config).await
    }

    async fn new(mode: Mode, inbox: WebhookInbox, processes: (usize, usize), config: &str) -> Self {
        let options = WorldOptions {
            producers: processes.0,
            workers: processes.1,
            // Keys of no section come first.
            config: format!("{config}\n{}", WebhookInbox::config()),
            app: inbox.app(),
            simulator: Options { calls_max: CALLS_MAX, ..Options::default() },
        };
        let world = World::with(mode, options).await;
        Self { world, inbox }
    }

    /// A proxy to the store, and the URL that leads through it.
    pub(super) async fn proxy_to_store(&self) -> (Proxy, String) {
        let Backing::Servers { database, .. } = &self.backing else { unreachable!() };
        Proxy::for_url(database.url(), 5432).await
    }
}

impl Deref for Ground {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Ground {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}
