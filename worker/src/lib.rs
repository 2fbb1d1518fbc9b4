//! Message in, outcome out: exchanges login codes, decrypts, commits.
//!
//! The modules stand in the order in which a job passes them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quhao_backend::backend::Backend;
use quhao_common::{
    config::{self, Config},
    process::{
        http_server::{Listener, OPS_CONNECTIONS_MAX},
        metrics::Exporter,
        registry::Live,
    },
};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

mod consumer;
mod context;
mod slots;
mod job;
pub mod platform;
mod circuit_breaker;
mod writer;
pub mod settlement;
pub mod callback;
mod background;
pub mod health;
mod drain;
mod minute;
mod ops;
mod tasks;

#[cfg(test)]
mod tests;

use background::{clock_check, purge, queue_depth};
use callback::Callbacks;
use consumer::{Consumer, quarantine::Quarantine};
use context::Context;
use drain::Drain;
use health::Health;
use job::run::Starter;
use platform::{Platforms, wechat};
use slots::Slots;
use tasks::Tasks;
use writer::Writer;

/// Returns how many deliveries a worker with these settings holds unsettled: those of jobs in
/// working slots, of jobs that wait outside, and of outcomes.
pub fn prefetch_max(settings: &config::Worker) -> u16 {
    u16::try_from(slots::unsettled_max(settings.concurrency)).unwrap_or(u16::MAX)
}

/// Creates the platforms of this build, as `config` sets them up.
pub fn platforms(config: &Config) -> Result<Platforms, reqwest::Error> {
    let wechat = wechat::Wechat::new(&config.wechat, config.worker.concurrency)?;
    Ok(Platforms::default().with(wechat::NAME, Arc::new(wechat)))
}

/// A worker that has its listener and is ready to run.
pub struct Worker {
    backend: Backend,
    context: Arc<Context>,
    callbacks: Callbacks,
    settings: config::Worker,
    /// The time after which a commit is slow.
    slow: Duration,
    listener: Listener,
    metrics_address: SocketAddr,
    exporter: Exporter,
}

impl Worker {
    /// Binds the metrics listener. The backend's queue must have been opened for publishing
    /// and for taking [`prefetch_max`].
    pub async fn bind(
        config: &Config,
        live: Arc<Live>,
        backend: Backend,
        platforms: Platforms,
        exporter: Exporter,
    ) -> std::io::Result<Self> {
        let address = config.worker.metrics_listen;
        let header_timeout = config.http.header_timeout;
        let listener = Listener::bind(address, OPS_CONNECTIONS_MAX, header_timeout).await?;
        let callbacks = Callbacks::new(config, Arc::clone(&live), Arc::clone(&backend.store));
        Ok(Self {
            callbacks: callbacks.map_err(std::io::Error::other)?,
            context: Arc::new(Context::new(config, live, Arc::clone(&backend.store), platforms)),
            backend,
            settings: config.worker.clone(),
            slow: config.store.statement_timeout,
            metrics_address: listener.address(),
            listener,
            exporter,
        })
    }

    /// Returns the address where metrics and readiness are served.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Runs until `shutdown`, then drains: takes no more, ends what it has, commits or hands
    /// over, settles. Returns within `limit` in any case; what is not committed by then stays
    /// unsettled and is delivered again.
    pub async fn run(self, shutdown: CancellationToken, limit: Duration) {
        info!(metrics = %self.metrics_address, "worker running");
        let health = Arc::new(Health::default());
        let drain = Arc::new(Drain::new(limit, self.backend.queue.can_hand_over()));
        let (sender, outcomes) = mpsc::channel(slots::outcomes_max(self.settings.concurrency));
        let jobs = TaskTracker::new();
        let starter = Starter {
            context: Arc::clone(&self.context),
            in_flight: Arc::default(),
            writer: sender,
            tasks: jobs.clone(),
        };
        let writer = self.writer(&starter, &health, &drain);
        let slots = Slots::new(self.settings.concurrency, shutdown.clone());
        let quarantine = Arc::new(Quarantine::default());
        let consumer = Consumer {
            queue: Arc::clone(&self.backend.queue),
            starter: starter.clone(),
            slots: Arc::clone(&slots),
            quarantine: Arc::clone(&quarantine),
            health: Arc::clone(&health),
        };
        let mut tasks = Tasks {
            writer: tokio::spawn(writer.run(outcomes)),
            consumer: tokio::spawn(consumer.run(shutdown.clone())),
            quarantine: tokio::spawn(quarantine.run(starter, slots, shutdown.clone())),
            callbacks: tokio::spawn(self.callbacks.run(Arc::clone(&health), shutdown.clone())),
        };
        let Backend { queue, store } = self.backend;
        let ended = CancellationToken::new();
        let mut background = JoinSet::new();
        background.spawn(ops::serve(
            self.listener,
            Arc::clone(&health),
            Arc::clone(&queue),
            self.exporter,
            ended.clone(),
        ));
        let breakers = Arc::clone(&self.context.circuit_breakers);
        background.spawn(circuit_breaker::clean_up_until(breakers, ended.clone()));
        let clock_check =
            clock_check::run(Arc::clone(&store), Arc::clone(&health), shutdown.clone());
        background.spawn(clock_check);
        background.spawn(purge::run(store, shutdown.clone()));
        background.spawn(queue_depth::run(queue, shutdown.clone()));

        tokio::select! {
            () = shutdown.cancelled() => {}
            task = tasks.first_failure() => {
                return error!(task, "a task panicked: this worker exits");
            }
        }
        drain.begin(health.is_store_lost());
        health.drain();
        if timeout(limit, tasks.finish(&jobs)).await.is_err() {
            warn!("drain timed out: what is not committed is delivered again");
            tasks.abort();
        }
        ended.cancel();
        background.join_all().await;
    }

    fn writer(&self, starter: &Starter, health: &Arc<Health>, drain: &Arc<Drain>) -> Writer {
        Writer {
            context: Arc::clone(&self.context),
            queue: Arc::clone(&self.backend.queue),
            in_flight: Arc::clone(&starter.in_flight),
            health: Arc::clone(health),
            callbacks_due: self.callbacks.due(),
            drain: Arc::clone(drain),
            batch_max: self.settings.batch_max,
            slow: self.slow,
        }
    }
}
