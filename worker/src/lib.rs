//! Message in, outcome out: exchanges login codes, decrypts, commits.
//!
//! The modules stand in the order in which a job passes them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use quhao_common::{
    backend::Backend,
    config::{self, Config},
    http_server::{Door, OPS_CONNECTIONS_MAX},
    metrics::Exporter,
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

pub mod consumer;
pub mod in_flight;
pub mod context;
pub mod slots;
pub mod attempt;
pub mod pipeline;
pub mod calls;
pub mod exchange;
pub mod redeem;
pub mod verdict;
pub mod sibling;
pub mod session;
pub mod platform;
pub mod record;
pub mod writer;
pub mod callback;
pub mod depth;
pub mod purge;
pub mod health;
pub mod clock;
pub mod ops;

use callback::Callbacks;
use consumer::Consumer;
use context::Context;
use health::Health;
use in_flight::InFlight;
use platform::{Platforms, wechat};
use slots::Slots;
use writer::Writer;

/// Most deliveries that a quorum queue lets one consumer hold.
const TAKE_MAX: usize = 2000;

/// How many deliveries a worker with these settings holds unsettled: those in working
/// slots and those in the side list.
pub fn take_max(settings: &config::Worker) -> u16 {
    let held = settings.concurrency + slots::waiting_max(settings.concurrency);
    u16::try_from(held.min(TAKE_MAX)).unwrap_or(u16::MAX)
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
    drain: Duration,
    door: Door,
    metrics_address: SocketAddr,
    exporter: Exporter,
}

impl Worker {
    /// Binds the metrics listener. The backend's queue must have been opened for taking
    /// [`take_max`].
    pub async fn bind(
        config: &Config,
        backend: Backend,
        platforms: Platforms,
        exporter: Exporter,
    ) -> std::io::Result<Self> {
        let (listen, header_timeout) = (config.worker.metrics_listen, config.http.header_timeout);
        let door = Door::bind(listen, OPS_CONNECTIONS_MAX, header_timeout).await?;
        let callbacks = Callbacks::new(config, Arc::clone(&backend.store));
        Ok(Self {
            callbacks: callbacks.map_err(std::io::Error::other)?,
            context: Arc::new(Context::new(config, Arc::clone(&backend.store), platforms)),
            backend,
            settings: config.worker.clone(),
            drain: config.drain,
            metrics_address: door.address(),
            door,
            exporter,
        })
    }

    /// Where metrics and readiness are served.
    pub fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Works until `shutdown`, then drains: takes no more, ends what it has, commits,
    /// settles. Returns within the configured time in any case; what is not committed by
    /// then stays unsettled and is delivered again.
    pub async fn run(self, shutdown: CancellationToken) {
        info!(metrics = %self.metrics_address, "worker running");
        let health = Arc::new(Health::default());
        let in_flight = Arc::new(InFlight::default());
        let (sender, items) = mpsc::channel(self.settings.concurrency);
        let jobs = TaskTracker::new();
        let ended = CancellationToken::new();

        let writer = Writer {
            store: Arc::clone(&self.backend.store),
            in_flight: Arc::clone(&in_flight),
            health: Arc::clone(&health),
            callbacks_due: self.callbacks.due(),
            batch_max: self.settings.batch_max,
        };
        let consumer = Consumer {
            queue: Arc::clone(&self.backend.queue),
            context: Arc::clone(&self.context),
            slots: Slots::new(self.settings.concurrency, shutdown.clone()),
            in_flight,
            health: Arc::clone(&health),
            tasks: jobs.clone(),
            writer: sender.clone(),
        };
        let ops = tokio::spawn(ops::serve(
            self.door,
            Arc::clone(&health),
            Arc::clone(&self.backend.queue),
            self.exporter,
            ended.clone(),
        ));
        let clock = tokio::spawn(clock::watch(
            Arc::clone(&self.backend.store),
            Arc::clone(&health),
            shutdown.clone(),
        ));
        let depth = tokio::spawn(depth::watch(Arc::clone(&self.backend.queue), shutdown.clone()));
        let purge = tokio::spawn(purge::run(Arc::clone(&self.backend.store), shutdown.clone()));
        let mut writer = tokio::spawn(writer.run(items));
        let mut consumer = tokio::spawn(consumer.run(shutdown.clone()));
        let mut callbacks = tokio::spawn(self.callbacks.run(shutdown.clone()));

        tokio::select! {
            () = shutdown.cancelled() => {}
            // There is a sender left, so it has broken.
            _ = &mut writer => return error!("the writer broke; this worker ends"),
            () = broken(&mut consumer) => return error!("the consumer broke; this worker ends"),
            () = broken(&mut callbacks) => return error!("the callbacks broke; this worker ends"),
        }
        drop(sender);
        health.drain();
        let drained = async {
            over(&mut consumer).await;
            jobs.close();
            jobs.wait().await;
            // The consumer and every job have dropped their sender by now.
            let _ = (&mut writer).await;
            over(&mut callbacks).await;
        };
        if tokio::time::timeout(self.drain, drained).await.is_err() {
            warn!("the drain took too long; what is not committed will be delivered again");
            // In this order: slots that the writer frees must not start another job.
            consumer.abort();
            writer.abort();
            callbacks.abort();
        }
        ended.cancel();
        let _ = (ops.await, clock.await, depth.await, purge.await);
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
