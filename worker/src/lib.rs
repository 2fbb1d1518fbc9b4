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
    },
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, JoinSet},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

pub mod consumer;
pub mod context;
pub mod slots;
pub mod job;
pub mod platform;
pub mod circuit_breaker;
pub mod writer;
pub mod settlement;
pub mod callback;
pub mod background;
pub mod health;
pub mod drain;
pub mod ops;

use callback::Callbacks;
use consumer::{Consumer, quarantine::Suspects};
use context::Context;
use drain::Drain;
use health::Health;
use job::run::Starter;
use platform::{Platforms, wechat};
use slots::Slots;
use writer::Writer;

/// How many deliveries a worker with these settings holds unsettled: those in working
/// slots and those in the side lists.
pub fn prefetch_max(settings: &config::Worker) -> u16 {
    u16::try_from(slots::held_max(settings.concurrency)).unwrap_or(u16::MAX)
}

/// The platforms of this build, as `config` sets them up.
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
    /// A commit that takes longer is slow.
    slow: Duration,
    ops_listener: Listener,
    metrics_address: SocketAddr,
    exporter: Exporter,
}

impl Worker {
    /// Binds the metrics listener. The backend's queue must have been opened for publishing
    /// and for taking [`prefetch_max`].
    pub async fn bind(
        config: &Config,
        backend: Backend,
        platforms: Platforms,
        exporter: Exporter,
    ) -> std::io::Result<Self> {
        let (listen, header_timeout) = (config.worker.metrics_listen, config.http.header_timeout);
        let ops_listener = Listener::bind(listen, OPS_CONNECTIONS_MAX, header_timeout).await?;
        let callbacks = Callbacks::new(config, Arc::clone(&backend.store));
        Ok(Self {
            callbacks: callbacks.map_err(std::io::Error::other)?,
            context: Arc::new(Context::new(config, Arc::clone(&backend.store), platforms)),
            backend,
            settings: config.worker.clone(),
            slow: config.store.statement_timeout,
            metrics_address: ops_listener.address(),
            ops_listener,
            exporter,
        })
    }

    /// Where metrics and readiness are served.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Works until `shutdown`, then drains: takes no more, ends what it has, commits or hands
    /// over, settles. Returns within `limit` in any case; what is not committed by then stays
    /// unsettled and is delivered again.
    pub async fn run(self, shutdown: CancellationToken, limit: Duration) {
        info!(metrics = %self.metrics_address, "worker running");
        let health = Arc::new(Health::default());
        let drain = Arc::new(Drain::new(limit, self.backend.queue.can_hand_over()));
        let (sender, items) = mpsc::channel(slots::outcomes_max(self.settings.concurrency));
        let jobs = TaskTracker::new();
        let starter = Starter {
            context: Arc::clone(&self.context),
            in_flight: Arc::default(),
            writer: sender,
            tasks: jobs.clone(),
        };
        let writer = self.writer(&starter, &health, &drain);
        let slots = Slots::new(self.settings.concurrency, shutdown.clone());
        let suspects = Arc::new(Suspects::default());
        let consumer = Consumer {
            queue: Arc::clone(&self.backend.queue),
            starter: starter.clone(),
            slots: Arc::clone(&slots),
            suspects: Arc::clone(&suspects),
            health: Arc::clone(&health),
        };
        let callbacks = self.callbacks.run(Arc::clone(&health), shutdown.clone());
        let ended = CancellationToken::new();
        let mut ops = JoinSet::new();
        let (queue, for_ops) = (Arc::clone(&self.backend.queue), Arc::clone(&health));
        ops.spawn(ops::serve(self.ops_listener, for_ops, queue, self.exporter, ended.clone()));
        ops.spawn(circuit_breaker::watch(Arc::clone(&self.context.circuits), ended.clone()));
        let store = Arc::clone(&self.backend.store);
        ops.spawn(background::clock_check::watch(
            Arc::clone(&store),
            Arc::clone(&health),
            shutdown.clone(),
        ));
        ops.spawn(background::purge::run(store, shutdown.clone()));
        ops.spawn(background::queue_depth::watch(self.backend.queue, shutdown.clone()));
        let mut writer = tokio::spawn(writer.run(items));
        let mut suspects = tokio::spawn(suspects.run(starter, slots, shutdown.clone()));
        let mut consumer = tokio::spawn(consumer.run(shutdown.clone()));
        let mut callbacks = tokio::spawn(callbacks);

        tokio::select! {
            () = shutdown.cancelled() => {}
            // There is a sender left, so it has broken.
            _ = &mut writer => return error!("the writer broke; this worker ends"),
            () = broken(&mut suspects) => return error!("the suspects broke; this worker ends"),
            () = broken(&mut consumer) => return error!("the consumer broke; this worker ends"),
            () = broken(&mut callbacks) => return error!("the callbacks broke; this worker ends"),
        }
        drain.begin(health.is_store_lost());
        health.drain();
        let drained = async {
            over(&mut suspects).await;
            over(&mut consumer).await;
            jobs.close();
            jobs.wait().await;
            // All of them have dropped their senders by now.
            let _ = (&mut writer).await;
            over(&mut callbacks).await;
        };
        if tokio::time::timeout(limit, drained).await.is_err() {
            warn!("the drain took too long; what is not committed will be delivered again");
            // In this order: slots that the writer frees must not start another job.
            consumer.abort();
            suspects.abort();
            writer.abort();
            callbacks.abort();
        }
        ended.cancel();
        ops.join_all().await;
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

/// Waits until `task` has broken. One that took its leave is no reason to end: it says why,
/// and what was taken is still worked on.
async fn broken(task: &mut JoinHandle<()>) {
    if task.await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Waits until `task` has ended, unless that was waited for before.
async fn over(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
