//! A running process: its parts, the order in which they start and the order in which they end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use quhao_backend::{
    backend::{self, Backend},
    queue::Roles,
    store::{Schema, Store, StoreError},
};
use quhao_common::{
    config::{Config, StoreUrl},
    process::{
        metrics::{self, Exporter},
        registry::{Live, Registry},
    },
};
use quhao_producer::Producer;
use quhao_worker::Worker;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::role::Role;
use crate::{
    exit::{CommandResult, Exit},
    schema::Fitness,
};

/// Time limit of reading the schema. If the store is unavailable, the process starts anyway.
const SCHEMA_LIMIT: Duration = Duration::from_secs(4);
/// Time limit of closing the connections to queue and store after the drain.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The parts of one process.
#[derive(Debug)]
pub(crate) struct Running {
    producer: Option<Part>,
    worker: Option<Part>,
    api: Option<SocketAddr>,
    live: Arc<Live>,
    backend: Backend,
    drain: Duration,
    /// Ends the upkeep of the metrics when the process ends.
    _upkeep: DropGuard,
}

/// A producer or a worker, in a task of its own.
#[derive(Debug)]
struct Part {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Part {
    /// Spawns the part; `run` receives the token that tells it to stop.
    fn run<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let part = Self { stop: CancellationToken::new(), ended: CancellationToken::new() };
        let run = run(part.stop.clone());
        // A panic cancels it too.
        let ended = part.ended.clone().drop_guard();
        tokio::spawn(async move {
            run.await;
            drop(ended);
        });
        part
    }
}

impl Running {
    /// Checks the schema, opens queue and store, binds the listeners, and starts the parts.
    pub(crate) async fn start(config: &Config, role: Role) -> Result<Self, Exit> {
        // Before the queue: in embedded mode the queue may share the store's file.
        prepare_store(config).await?;
        let exporter = metrics::install()?;
        let roles = Roles {
            // A worker that cannot commit hands its outcomes over.
            publish: true,
            prefetch_max: role.works().then(|| quhao_worker::prefetch_max(&config.worker)),
        };
        let backend = Backend::open(&config.queue, &config.store, roles).await?;
        let live = Arc::new(Live::new(Registry::of(config)));
        let parts = bind(config, role, &live, &backend, &exporter).await;
        let Parts { producer, worker } = match parts {
            Ok(parts) => parts,
            Err(exit) => {
                backend.close(CLOSE_LIMIT).await;
                return Err(exit);
            }
        };
        // Nothing runs before everything is bound.
        let upkeep = CancellationToken::new();
        tokio::spawn(exporter.upkeep(upkeep.clone()));
        let limit = drain_of_worker(role, config.drain);
        let worker = worker.map(|worker| Part::run(|stop| worker.run(stop, limit)));
        let api = producer.as_ref().map(Producer::address);
        let producer = producer.map(|producer| {
            let (http, metrics) = (producer.address(), producer.metrics_address());
            info!(%http, %metrics, "producer listening");
            Part::run(|stop| producer.run(stop))
        });
        Ok(Self {
            producer,
            worker,
            api,
            live,
            backend,
            drain: config.drain,
            _upkeep: upkeep.drop_guard(),
        })
    }

    /// Returns clients, apps and secrets as this process uses them.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Returns queue and store.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Returns the address of the API, if this process has a producer.
    pub(crate) fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Waits until a part ends although nobody stopped it, and returns its name. No part should.
    /// Cancel safe.
    pub(crate) async fn broken(&self) -> &'static str {
        let ended = async |part: &Option<Part>| match part {
            Some(part) => part.ended.cancelled().await,
            None => std::future::pending().await,
        };
        tokio::select! {
            () = ended(&self.producer) => "producer",
            () = ended(&self.worker) => "worker",
        }
    }

    /// Stops the producer, then the worker, then closes the connections. A worker beside a
    /// producer goes on until the producer has ended, so that waiting clients get their results;
    /// half of the time is kept for the worker's own drain.
    pub(crate) async fn drain(self) {
        let begun = Instant::now();
        let in_time = async {
            if let Some(producer) = &self.producer {
                producer.stop.cancel();
                let _ = timeout_at(begun + self.drain / 2, producer.ended.cancelled()).await;
            }
            if let Some(worker) = &self.worker {
                worker.stop.cancel();
                worker.ended.cancelled().await;
            }
            if let Some(producer) = &self.producer {
                producer.ended.cancelled().await;
            }
        };
        // Closing the connections needs a part of the time.
        let in_time_until = begun + self.drain.saturating_sub(CLOSE_LIMIT).max(self.drain / 2);
        if timeout_at(in_time_until, in_time).await.is_err() {
            warn!("drain timed out; unfinished jobs will be delivered again");
        }
        // Queue and store have a limit each; a silent peer must not make it their sum.
        if tokio::time::timeout(CLOSE_LIMIT, self.backend.close(CLOSE_LIMIT)).await.is_err() {
            warn!("connections to queue or store did not close in time; exiting anyway");
        }
    }
}

/// Returns the part of the drain time that the worker may use: all of it, or half beside a
/// producer, less the time for closing the connections.
fn drain_of_worker(role: Role, drain: Duration) -> Duration {
    let whole = if role.produces() { drain / 2 } else { drain };
    whole.saturating_sub(CLOSE_LIMIT).max(whole / 2)
}

/// Producer and worker with their listeners bound, not running yet.
struct Parts {
    producer: Option<Producer>,
    worker: Option<Worker>,
}

async fn bind(
    config: &Config,
    role: Role,
    live: &Arc<Live>,
    backend: &Backend,
    exporter: &Exporter,
) -> Result<Parts, Exit> {
    let producer = if role.produces() {
        let producer = Producer::bind(config, Arc::clone(live), backend.clone(), exporter.clone());
        Some(producer.await.with_context(|| {
            let http = &config.http;
            format!("cannot listen on {} and {}", http.listen, http.metrics_listen)
        })?)
    } else {
        None
    };
    let worker = if role.works() {
        let platforms = quhao_worker::platforms(config)?;
        let live = Arc::clone(live);
        let backend = backend.clone();
        let worker = Worker::bind(config, live, backend, platforms, exporter.clone());
        Some(
            worker
                .await
                .with_context(|| format!("cannot listen on {}", config.worker.metrics_listen))?,
        )
    } else {
        None
    };
    Ok(Parts { producer, worker })
}

/// Refuses a schema that this build cannot work with. Migrates an embedded store instead: its
/// file belongs to this process alone.
async fn prepare_store(config: &Config) -> CommandResult {
    let store = backend::open_store(&config.store).await?;
    let embedded = matches!(config.store.url, StoreUrl::Sqlite(_));
    let done = if embedded { migrate(&store).await } else { check_schema(&store).await };
    store.close().await;
    done
}

async fn migrate(store: &Store) -> CommandResult {
    let schema = store.schema().await?;
    if Fitness::of(schema) == Fitness::Older {
        let applied = store.migrate().await.context("the migration failed")?;
        info!(migrations = ?applied, "schema brought up to date");
        return Ok(());
    }
    refuse_unless_fit(schema)
}

fn refuse_unless_fit(schema: Schema) -> CommandResult {
    Fitness::of(schema).problem(schema).map_or(Ok(()), |problem| Err(Exit::failed(problem)))
}

async fn check_schema(store: &Store) -> CommandResult {
    match timeout(SCHEMA_LIMIT, store.schema()).await {
        Ok(Ok(schema)) => refuse_unless_fit(schema),
        Ok(Err(error @ StoreError::Unavailable(_))) => {
            warn!(%error, "store unavailable: starting without it; jobs wait until it is back");
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            warn!("the store does not answer: starting without it; jobs wait until it is back");
            Ok(())
        }
    }
}
