//! The subject of a measurement: quhao's real processes in either mode, or the baseline's.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use quhao_tests::{
    client::Client,
    config::{Backing, Mode},
    database::Database,
    metrics::Metrics,
    world::{World, WorldOptions},
};
use tokio::time::sleep;

use crate::{
    baseline::pair::{Inserts, Pair},
    load::Target,
    load::request::{Requests, Wishes},
    processes::{Role, Watched},
    rows::{Ended, Rows},
    upstream::Upstream,
};

/// The pause between two looks at the rows, once the platform has seen all jobs; and before.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_EARLY: Duration = Duration::from_secs(1);

/// After a job's deadline: an outcome that was known then may still be committed.
const GRACE: Duration = Duration::from_secs(10);

/// What differs from quhao's defaults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tuning {
    /// Processes that work; producers are always one.
    pub(crate) workers: usize,
    /// `worker.concurrency`.
    pub(crate) concurrency: Option<usize>,
    /// `queue.length_max`.
    pub(crate) length_max: Option<u64>,
    /// Requests that wait at once, all of one client.
    pub(crate) waiters: Option<usize>,
}

impl Tuning {
    /// Returns the defaults with so many workers.
    pub(crate) fn workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }

    fn config(self, upstream: &Upstream) -> String {
        let mut text = format!("[platforms.wechat]\nbase_url = '{}'\n", upstream.base_url());
        if let Some(concurrency) = self.concurrency {
            let _ = write!(text, "[worker]\nconcurrency = {concurrency}\n");
        }
        if let Some(length_max) = self.length_max {
            let _ = write!(text, "[queue]\nlength_max = {length_max}\n");
        }
        if let Some(waiters) = self.waiters {
            // There is another client, for which some places may be kept.
            let (places, connections) = (waiters * 2, waiters + 100);
            let _ =
                write!(text, "[http]\nwaiters_max = {places}\nconnections_max = {connections}\n");
        }
        text
    }
}

/// A running system that takes jobs.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    address: SocketAddr,
    api_key: String,
    rows: Rows,
    running: Running,
    pub(crate) upstream: Upstream,
}

/// The processes, and what they use. Ended and removed when dropped.
enum Running {
    Quhao(Box<World>),
    Baseline(Box<Pair>),
}

impl Subject {
    /// Starts quhao in distributed mode, tuned so.
    pub(crate) async fn quhao(tuning: Tuning, upstream: Upstream) -> Result<Self> {
        let options = WorldOptions {
            workers: tuning.workers,
            config: tuning.config(&upstream),
            ..WorldOptions::default()
        };
        let world = World::with(Mode::Distributed, options).await;
        let Backing::Servers { database, .. } = &world.backing else {
            bail!("distributed mode has servers")
        };
        let rows = Rows::of_quhao(database).await?;
        Self::of_world("quhao", world, rows, upstream)
    }

    /// Starts quhao in embedded mode.
    pub(crate) async fn embedded(upstream: Upstream) -> Result<Self> {
        let options =
            WorldOptions { config: Tuning::default().config(&upstream), ..WorldOptions::default() };
        let world = World::with(Mode::Embedded, options).await;
        let rows = Rows::of_file(&world.config.folder().join("quhao.db")).await?;
        Self::of_world("quhao", world, rows, upstream)
    }

    fn of_world(name: &'static str, world: World, rows: Rows, upstream: Upstream) -> Result<Self> {
        let address = world.producers[0].address.parse().context("where the producer listens")?;
        let api_key = world.config.api_key.clone();
        let running = Running::Quhao(Box::new(world));
        Ok(Self { name, address, api_key, rows, running, upstream })
    }

    /// Starts the plain program.
    pub(crate) async fn baseline(inserts: Inserts, upstream: Upstream) -> Result<Self> {
        let database = Database::migrated().await;
        let rows = Rows::of_baseline(&database).await?;
        let pair = Pair::start(database, inserts, &upstream).await?;
        let (name, address) = (inserts.subject(), pair.address);
        let (running, api_key) = (Running::Baseline(Box::new(pair)), "none".to_owned());
        Ok(Self { name, address, api_key, rows, running, upstream })
    }

    /// Returns its own processes, without the servers.
    pub(crate) fn processes(&self) -> Vec<Watched> {
        match &self.running {
            Running::Baseline(pair) => pair.processes(),
            Running::Quhao(world) => {
                let takes = match world.mode {
                    Mode::Distributed => Role::Producer,
                    Mode::Embedded => Role::Embedded,
                };
                let producers = world.producers.iter().map(|one| (takes, one.process.id()));
                let workers = world.workers.iter().map(|one| (Role::Worker, one.process.id()));
                producers.chain(workers).map(|(role, pid)| Watched::new(role, pid)).collect()
            }
        }
    }

    /// Returns whether it uses the servers.
    pub(crate) fn is_distributed(&self) -> bool {
        !matches!(&self.running, Running::Quhao(world) if world.mode == Mode::Embedded)
    }

    /// Returns the metrics of all its processes, added up; the baseline has none.
    pub(crate) async fn metrics(&self) -> Option<Metrics> {
        let Running::Quhao(world) = &self.running else { return None };
        let mut pages = vec![world.producers[0].metrics.clone()];
        match world.mode {
            Mode::Distributed => pages.extend(world.workers.iter().map(|one| one.metrics.clone())),
            // Both of its pages show everything.
            Mode::Embedded => {}
        }
        let mut all = Metrics::default();
        for page in pages {
            all.add(&Client::new(&page, "").with_key(None).metrics().await);
        }
        Some(all)
    }

    /// Returns quhao's processes.
    pub(crate) fn world(&mut self) -> Result<&mut World> {
        match &mut self.running {
            Running::Quhao(world) => Ok(world),
            Running::Baseline(_) => bail!("the baseline is no quhao"),
        }
    }

    /// Returns where jobs go, over so many connections.
    pub(crate) fn target(&self, wishes: Wishes, connections: usize) -> Result<Target> {
        let requests = Requests::new(&self.api_key, self.upstream.session_key(), wishes)?;
        Ok(Target { address: self.address, requests: Arc::new(requests), first: 0, connections })
    }

    /// Counts how its jobs have ended so far.
    pub(crate) async fn ended(&mut self) -> Result<Ended> {
        self.rows.ended().await
    }

    /// Counts how its jobs have ended, once `jobs` have, or once the last of those that were
    /// submitted before this is past its `deadline`: what expires in the queue leaves no row.
    pub(crate) async fn settled(&mut self, jobs: u64, deadline: Duration) -> Result<Ended> {
        let started = Instant::now();
        loop {
            sleep(LOOK).await;
            let ended = self.rows.ended().await?;
            if ended.all >= jobs || started.elapsed() > deadline + GRACE {
                return Ok(ended);
            }
        }
    }

    /// Waits until so many jobs have ended, and makes sure that all succeeded.
    pub(crate) async fn done(&mut self, jobs: u64) -> Result<()> {
        // A second for every hundred jobs: far below what anything here does.
        let limit = Duration::from_secs(60 + jobs / 100);
        let started = Instant::now();
        let mut looked = None::<Instant>;
        loop {
            sleep(LOOK).await;
            // Counting rows costs the store; counting calls costs nothing.
            let early = self.upstream.exchanges() < jobs;
            if early && looked.is_some_and(|at| at.elapsed() < LOOK_EARLY) {
                continue;
            }
            looked = Some(Instant::now());
            let ended = self.rows.ended().await?;
            if ended.all >= jobs {
                ensure!(
                    ended.succeeded >= jobs,
                    "{} of {jobs} jobs failed",
                    jobs - ended.succeeded
                );
                return Ok(());
            }
            ensure!(
                started.elapsed() < limit,
                "{}: {} of {jobs} jobs have ended after {limit:?}",
                self.name,
                ended.all
            );
        }
    }
}
