//! The whole product around a platform that misbehaves on request, in either mode.

use quhao_simulator::{Options, Simulator, User};
use serde_json::{Value, json};

use crate::{
    broker::QueueLengths,
    client::Client,
    config::{APP, Backing, Config, Mode},
    database::Database,
    prefix::Prefix,
    services::amqp_url,
    wait::{PATIENCE, eventually},
};

pub use self::roles::{Producer, Worker};

use self::roles::{producer, serve, text, worker};

pub mod reload;
mod roles;

/// How a world is set up; [`WorldOptions::default`] suits most tests.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Producers in distributed mode.
    pub producers: usize,
    /// Workers in distributed mode.
    pub workers: usize,
    /// Further configuration, in TOML; overrides the usual one.
    pub config: String,
    /// Further lines of the block of [`APP`], in TOML.
    pub app: String,
    /// The platform.
    pub simulator: Options,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            producers: 1,
            workers: 1,
            config: String::new(),
            app: String::new(),
            simulator: Options::default(),
        }
    }
}

impl WorldOptions {
    /// Returns the default options with further configuration, in TOML.
    pub fn with_config(config: &str) -> Self {
        Self { config: config.to_owned(), ..Self::default() }
    }
}

/// A running product. Everything in it ends and is removed when it is dropped.
pub struct World {
    /// Which mode it runs in.
    pub mode: Mode,
    /// The processes that answer HTTP; in embedded mode the only one.
    pub producers: Vec<Producer>,
    /// The processes that only work; none in embedded mode.
    pub workers: Vec<Worker>,
    /// The platform.
    pub simulator: Simulator,
    /// The configuration of all processes.
    pub config: Config,
    /// Queue and store. Last, so that no process uses them any more when they are removed.
    pub backing: Backing,
}

impl World {
    /// Starts the usual one.
    pub async fn start(mode: Mode) -> Self {
        Self::with(mode, WorldOptions::default()).await
    }

    /// Starts one that is set up by `options`.
    pub async fn with(mode: Mode, options: WorldOptions) -> Self {
        let simulator = Simulator::start(options.simulator).await.expect("the simulator listens");
        let backing = Backing::new(mode).await;
        let base_url = simulator.base_url();
        let config = Config::write_with(&backing, &base_url, &options.config, &options.app);
        let mut world =
            Self { mode, producers: Vec::new(), workers: Vec::new(), simulator, config, backing };
        match mode {
            Mode::Distributed => {
                for _ in 0..options.workers {
                    world.add_worker().await;
                }
                for _ in 0..options.producers {
                    world.add_producer().await;
                }
            }
            Mode::Embedded => world.producers.push(serve(&world.config.path()).await),
        }
        world
    }

    /// Starts another producer and waits until it is ready.
    pub async fn add_producer(&mut self) -> &mut Producer {
        self.add_producer_with(&[]).await
    }

    /// Starts another producer with these environment variables and waits until it is ready.
    pub async fn add_producer_with(&mut self, variables: &[(&str, &str)]) -> &mut Producer {
        assert_eq!(self.mode, Mode::Distributed, "in embedded mode there is one process");
        self.producers.push(producer("producer", &self.config.path(), variables).await);
        self.producers.last_mut().expect("just pushed")
    }

    /// Starts another worker and waits until it is ready: subscribed, not merely alive.
    pub async fn add_worker(&mut self) -> &mut Worker {
        self.add_worker_with(&[]).await
    }

    /// Starts another worker with these environment variables and waits until it is ready.
    pub async fn add_worker_with(&mut self, variables: &[(&str, &str)]) -> &mut Worker {
        assert_eq!(self.mode, Mode::Distributed, "in embedded mode there is one process");
        self.workers.push(worker(&self.config.path(), variables).await);
        self.workers.last_mut().expect("just pushed")
    }

    /// Returns the client `orders` of the first producer.
    pub fn client(&self) -> Client {
        let address = &self.producers.first().expect("a producer").address;
        Client::new(address, &self.config.api_key)
    }

    /// Returns the client `elsewhere` of the first producer.
    pub fn client_elsewhere(&self) -> Client {
        self.client().with_key(Some(&self.config.api_key_elsewhere))
    }

    /// Returns a new guest of [`APP`] who has logged in and tapped.
    pub fn guest(&self) -> User {
        self.simulator.user(APP)
    }

    /// Returns the address of readiness and metrics of the first process that runs jobs.
    pub fn worker_metrics(&self) -> String {
        match self.mode {
            Mode::Distributed => self.workers.first().expect("a worker").metrics.clone(),
            Mode::Embedded => {
                let process = &self.producers.first().expect("a process").process;
                let fields =
                    process.log_fields("worker running").expect("it logs this at its start");
                text(&fields, "metrics")
            }
        }
    }

    /// Returns a client for readiness and metrics of the first process that runs jobs.
    pub fn worker_ops(&self) -> Client {
        self.client().at(&self.worker_metrics())
    }

    /// Returns a client for the metrics of the first producer.
    pub fn producer_ops(&self) -> Client {
        self.client().at(&self.producers.first().expect("a producer").metrics)
    }

    /// Restarts the one process of embedded mode, on the same file.
    pub async fn restart_embedded(&mut self) {
        assert_eq!(self.mode, Mode::Embedded, "there is more than one process");
        self.producers.clear();
        self.producers.push(serve(&self.config.path()).await);
    }

    /// Kills every process that runs jobs (`kill -9`).
    pub fn kill_workers(&mut self) {
        match self.mode {
            Mode::Distributed => {
                for worker in &mut self.workers {
                    worker.process.kill_9();
                }
                self.workers.clear();
            }
            Mode::Embedded => self.producers[0].process.kill_9(),
        }
    }

    /// Starts a process that runs jobs, after [`World::kill_workers`].
    pub async fn restart_workers(&mut self) {
        match self.mode {
            Mode::Distributed => {
                self.add_worker().await;
            }
            Mode::Embedded => self.restart_embedded().await,
        }
    }

    /// Waits until the queue is empty and the workers hold nothing, ends them, and makes
    /// sure that the queue stays empty: what they held unsettled would be redelivered.
    pub async fn wait_until_drained(&mut self) {
        let lengths = QueueLengths::open(&amqp_url(), &self.prefix().job_queues()).await;
        eventually("an empty queue and idle workers", PATIENCE, async || {
            if lengths.ready().await != Some(0) {
                return None;
            }
            for worker in &self.workers {
                if self.client().at(&worker.metrics).metric("quhao_slots").await > 0 {
                    return None;
                }
            }
            Some(())
        })
        .await;
        for worker in &mut self.workers {
            worker.process.terminate();
            let status = worker.process.wait_exit(PATIENCE).await;
            assert!(status.success(), "a worker that drains exits with 0, not {status}");
        }
        assert_eq!(lengths.ready().await, Some(0), "deliveries came back unsettled");
        lengths.close().await;
    }

    /// Returns the names at the broker. In embedded mode there are none.
    pub fn prefix(&self) -> &Prefix {
        match &self.backing {
            Backing::Servers { prefix, .. } => prefix,
            Backing::File => panic!("embedded mode has no broker"),
        }
    }

    /// Returns the names of the queues: jobs, unrouted, outcomes, dead letters.
    pub fn queues(&self) -> [String; 4] {
        self.prefix().queues()
    }

    /// Returns the database. In embedded mode there is none.
    pub fn database(&self) -> &Database {
        match &self.backing {
            Backing::Servers { database, .. } => database,
            Backing::File => panic!("embedded mode has no database server"),
        }
    }

    /// Returns the logs of all processes so far.
    pub fn logs(&self) -> String {
        let producers = self.producers.iter().map(|producer| producer.process.log());
        let workers = self.workers.iter().map(|worker| worker.process.log());
        producers.chain(workers).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the job that turns what this guest did into a phone number.
pub fn phone_job(guest: &User) -> Value {
    json!({
        "app_id": guest.app_id,
        "code": guest.code,
        "encrypted_data": guest.encrypted_data,
        "iv": guest.iv,
    })
}

/// Returns `job` with this `deadline_seconds`.
pub fn with_deadline(mut job: Value, seconds: u64) -> Value {
    job["deadline_seconds"] = json!(seconds);
    job
}

/// Makes two tests of each `async fn NAME(mode: Mode)`: `NAME::distributed` and
/// `NAME::embedded`.
#[macro_export]
macro_rules! in_both_modes {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn distributed() {
                super::$name($crate::config::Mode::Distributed).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn embedded() {
                super::$name($crate::config::Mode::Embedded).await;
            }
        })+
    };
}
