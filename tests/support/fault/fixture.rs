//! The product before a fault run: its processes, a platform, and a receiver of callbacks.

use std::ops::{Deref, DerefMut};

use quhao_simulator::Options;

use super::machine::MachineShare;
use crate::{
    config::Mode,
    load::WebhookInbox,
    proxy::Proxy,
    world::{World, WorldOptions},
};

/// Calls of the platform that are remembered: more than any load makes.
const CALLS_MAX: usize = 100_000;

/// The number of processes in distributed mode.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    /// Producers.
    pub producers: usize,
    /// Workers.
    pub workers: usize,
}

/// A product without load.
pub struct Fixture {
    /// The product and the platform.
    pub world: World,
    /// The receiver of callbacks.
    pub inbox: WebhookInbox,
    pub(super) share: MachineShare,
}

impl Fixture {
    /// Starts these processes; `config` overrides the usual configuration.
    pub async fn start(processes: Processes, config: &str) -> Self {
        Self::with_inbox(WebhookInbox::open().await, processes, config).await
    }

    /// Starts these processes, which send callbacks to `inbox`.
    pub async fn with_inbox(inbox: WebhookInbox, processes: Processes, config: &str) -> Self {
        Self::new(Mode::Distributed, inbox, processes, config).await
    }

    /// Starts the one process of embedded mode.
    pub async fn embedded(config: &str) -> Self {
        let processes = Processes { producers: 0, workers: 0 };
        Self::new(Mode::Embedded, WebhookInbox::open().await, processes, config).await
    }

    async fn new(mode: Mode, inbox: WebhookInbox, processes: Processes, config: &str) -> Self {
        let share = MachineShare::of_load().await;
        let options = WorldOptions {
            producers: processes.producers,
            workers: processes.workers,
            // Keys of no section come first.
            config: format!("{config}\n{}", WebhookInbox::config()),
            app: inbox.app(),
            simulator: Options { calls_max: CALLS_MAX, ..Options::default() },
        };
        let world = World::with(mode, options).await;
        Self { world, inbox, share }
    }

    /// Starts a proxy to the store. Returns it and the URL that leads through it.
    pub async fn proxy_to_store(&self) -> (Proxy, String) {
        Proxy::for_url(self.database().url(), 5432).await
    }
}

impl Deref for Fixture {
    type Target = World;
    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}
