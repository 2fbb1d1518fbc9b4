//! A role that is running: its parts, their order of starting and of ending.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use quhao_backend::{
    backend::{self, Backend},
    queue::Roles,
    store::{Schema, Store, StoreError},
};
use quhao_common::{
    config::{Config, StoreUrl},
    process::metrics::{self, Exporter},
};
use quhao_producer::Producer;
use quhao_worker::Worker;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::Role;
use crate::{
    exit::{Done, Exit},
    schema::Fitness,
};

/// How long the store may take to tell its schema. Out of reach, the role starts anyway.
const SCHEMA_LIMIT: Duration = Duration::from_secs(4);
/// How long queue and store may take to close their links after the drain.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The parts of one process.
#[derive(Debug)]
pub(crate) struct Running {
    producer: Option<Part>,
    worker: Option<Part>,
    api: Option<SocketAddr>,
    backend: Backend,
    drain: Duration,
    /// Ends the metrics' upkeep with the rest.
    _upkeep: DropGuard,
}

/// A producer or a worker, in a task of its own.
#[derive(Debug)]
struct Part {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Part {
    /// Begins; `run` gets the token that will tell it to stop.
    fn run<F>(run: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let part = Self { stop: CancellationToken::new(), ended: CancellationToken::new() };
        let run = run(part.stop.clone());
        // Also cancelled by a panic.
        let ended = part.ended.clone().drop_guard();
        tokio::spawn(async move {
            run.await;
            drop(ended);
        });
        part
    }
}

impl Running {
    /// Judges the schema, opens queue and store, listens, and begins.
    pub(crate) async fn start(config: &Config, role: Role) -> Result<Self, Exit> {
        // Before the queue: in embedded mode it may live in the store's file.
        prepare_store(config).await?;
        let exporter = metrics::install()?;
        let roles = Roles {
            // A worker that cannot commit hands its outcomes over.
            publish: true,
            prefetch_max: role.works().then(|| quhao_worker::prefetch_max(&config.worker)),
        };
        let backend = Backend::open(&config.queue, &config.store, roles).await?;
        let parts = bind(config, role, &backend, &exporter).await;
        let Parts { producer, worker } = match parts {
            Ok(parts) => parts,
            Err(exit) => {
                backend.close(CLOSE_LIMIT).await;
                return Err(exit);
            }
        };
        // Nothing runs before everything is there.
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
            backend,
            drain: config.drain,
            _upkeep: upkeep.drop_guard(),
        })
    }

    /// Queue and store.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Where the interface listens, if this process has one.
    pub(crate) fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Waits for a part to end without having been told to, which none should; says
    /// which. Safe to drop.
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

    /// Ends in order: no more submissions, then no more work, then the links. A worker
    /// beside a producer works on while that ends, so that waiting clients are served,
    /// but keeps half of the time for its own end.
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
        // The links need a moment of it for their end.
        let in_time_until = begun + self.drain.saturating_sub(CLOSE_LIMIT).max(self.drain / 2);
        if timeout_at(in_time_until, in_time).await.is_err() {
            warn!("the drain took too long; unfinished work will be delivered again");
        }
        // Each part has a limit of its own; a peer that is silent must not add them up.
        if tokio::time::timeout(CLOSE_LIMIT, self.backend.close(CLOSE_LIMIT)).await.is_err() {
            warn!("the links did not end in time");
        }
    }
}

/// How much of the time that a process has for its end is its worker's: all, or the half
/// that a producer beside it leaves, but for what the links need.
fn drain_of_worker(role: Role, drain: Duration) -> Duration {
    let whole = if role.produces() { drain / 2 } else { drain };
    whole.saturating_sub(CLOSE_LIMIT).max(whole / 2)
}

/// What has its listeners, but does not run yet.
struct Parts {
    producer: Option<Producer>,
    worker: Option<Worker>,
}

async fn bind(
    config: &Config,
    role: Role,
    backend: &Backend,
    exporter: &Exporter,
) -> Result<Parts, Exit> {
    let producer = if role.produces() {
        let producer = Producer::bind(config, backend.clone(), exporter.clone());
        Some(producer.await.with_context(|| {
            let http = &config.http;
            format!("cannot listen on {} and {}", http.listen, http.metrics_listen)
        })?)
    } else {
        None
    };
    let worker = if role.works() {
        let platforms = quhao_worker::platforms(config)?;
        let worker = Worker::bind(config, backend.clone(), platforms, exporter.clone());
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

/// Refuses a schema that this build cannot work with. An embedded store is brought up to
/// date instead: its file belongs to this process alone.
async fn prepare_store(config: &Config) -> Done {
    let store = backend::open_store(&config.store).await?;
    let embedded = matches!(config.store.url, StoreUrl::Sqlite(_));
    let done = if embedded { bring_up(&store).await } else { judge(&store).await };
    store.close().await;
    done
}

async fn bring_up(store: &Store) -> Done {
    let schema = store.schema().await?;
    if Fitness::of(schema) == Fitness::Older {
        let applied = store.migrate().await.context("the store's schema cannot be brought up")?;
        info!(migrations = ?applied, "schema brought up to date");
        return Ok(());
    }
    refuse_unless_fit(schema)
}

fn refuse_unless_fit(schema: Schema) -> Done {
    Fitness::of(schema).trouble(schema).map_or(Ok(()), |trouble| Err(Exit::failed(trouble)))
}

async fn judge(store: &Store) -> Done {
    match timeout(SCHEMA_LIMIT, store.schema()).await {
        Ok(Ok(schema)) => refuse_unless_fit(schema),
        Ok(Err(error @ StoreError::Unavailable(_))) => {
            warn!(%error, "the schema is not known yet: starting without the store");
            Ok(())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            warn!("the store does not answer: starting without it");
            Ok(())
        }
    }
}
