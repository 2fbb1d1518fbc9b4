//! The product under load, and what is asked of it in the end, whatever broke.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Guest, Options};
use quhao_tests::{
    broker,
    client::Client,
    config::{Backing, Mode},
    figures::Figures,
    history::{
        End,
        rules::{Breach, breaches},
    },
    load::{Crowd, Load},
    proxy::Proxy,
    services,
    wait::{PATIENCE, eventually},
    world::{Knobs, World},
};
use reqwest::Method;

use super::outcome::{Outcome, since};

/// Calls of the platform that are remembered: more than any load makes.
const CALLS_MAX: usize = 100_000;

/// Jobs in a worker.
const SLOTS: &str = "quhao_slots";

/// Longest that a submit may be refused after the broker answers again.
pub(super) const SUBMIT_RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Longest that a worker may take to be subscribed after the broker answers again.
pub(super) const CONSUMER_RECOVERY_MAX: Duration = Duration::from_secs(10);

/// The product under load.
pub(super) struct Trial {
    pub(super) world: World,
    pub(super) crowd: Crowd,
    subject: &'static str,
    broker: String,
    /// What workers that are gone had counted.
    repeats_before: u64,
    /// Jobs that workers had in hand when they were killed.
    held: u64,
}

/// A world for a trial: `config` counts over the usual one.
pub(super) async fn world(producers: usize, workers: usize, config: &str) -> World {
    world_in(Mode::Distributed, producers, workers, config).await
}

/// The same of one process and one file.
pub(super) async fn embedded_world(config: &str) -> World {
    world_in(Mode::Embedded, 0, 0, config).await
}

async fn world_in(mode: Mode, producers: usize, workers: usize, config: &str) -> World {
    let simulator = Options { max_calls: CALLS_MAX, ..Options::default() };
    let config = config.to_owned();
    let knobs = Knobs { producers, workers, config, simulator, ..Knobs::default() };
    World::with(mode, knobs).await
}

/// A proxy to the store of `world`, and the URL that leads through it.
pub(super) async fn proxy_to_store(world: &World) -> (Proxy, String) {
    let Backing::Servers { database, .. } = &world.backing else { unreachable!() };
    Proxy::for_url(database.url(), 5432).await
}

impl Trial {
    /// Lets guests into `world`, whose broker is the usual one.
    pub(super) fn of(subject: &'static str, world: World, load: Load) -> Self {
        let guests = load.guests(&world);
        Self::with(subject, world, load, guests)
    }

    /// The same with these guests of that load.
    pub(super) fn with(
        subject: &'static str,
        world: World,
        load: Load,
        guests: Vec<Guest>,
    ) -> Self {
        let crowd = load.start(&world, guests);
        let broker = services::amqp_url();
        Self { world, crowd, subject, broker, repeats_before: 0, held: 0 }
    }

    /// The same, where the broker is another.
    #[must_use]
    pub(super) fn at_broker(self, url: String) -> Self {
        Self { broker: url, ..self }
    }

    /// Ends the one process of embedded mode without a word and starts it again.
    pub(super) async fn kill_embedded(&mut self) {
        let serving = self.world.client().at(&self.world.worker_metrics());
        self.remember(&serving).await;
        self.world.restart_embedded().await;
        self.crowd.ask(&self.world);
    }

    /// Ends the first worker without a word.
    pub(super) async fn kill_worker(&mut self) {
        let mut worker = self.world.workers.remove(0);
        self.remember(&self.world.client().at(&worker.metrics)).await;
        worker.process.kill_9();
    }

    /// Remembers what dies with the process that tells it here.
    async fn remember(&mut self, client: &Client) {
        self.repeats_before += repeats(client).await;
        self.held += metric(client, SLOTS).await;
    }

    /// Ends the first worker in peace.
    pub(super) async fn drain_worker(&mut self) {
        let mut worker = self.world.workers.remove(0);
        self.repeats_before += repeats(&self.world.client().at(&worker.metrics)).await;
        worker.process.terminate();
        let status = worker.process.wait_exit(PATIENCE).await;
        assert!(status.success(), "a worker that drains exits with 0, not {status}");
    }

    /// Waits until all processes say that they are ready.
    pub(super) async fn is_ready(&self, limit: Duration) {
        let client = self.world.client();
        let producers = self.world.producers.iter().map(|producer| &producer.address);
        let workers = self.world.workers.iter().map(|worker| &worker.metrics);
        for address in producers.chain(workers) {
            let what = format!("{address} is ready again");
            eventually(&what, limit, async || {
                let look = client.at(address).request(Method::GET, "/readyz", &[], None).await;
                look.is_ok_and(|reply| reply.status == 200).then_some(())
            })
            .await;
        }
    }

    /// Waits for every guest, drains, and judges everything that has happened.
    pub(super) async fn end(mut self) -> Outcome {
        self.crowd.leaves().await;
        self.is_idle().await;
        let drained_at = Some(SystemTime::now());
        self.crowd.look_again().await;
        let repeats_counted = self.repeats_before + self.repeats().await;
        while !self.world.workers.is_empty() {
            self.drain_worker().await;
        }
        assert_eq!(self.waiting().await, Some(0), "deliveries came back unsettled");

        let history = self.crowd.history();
        history.add_calls(self.world.simulator.calls());
        let found = breaches(&history.events(), &End { repeats_counted, drained_at });
        let (accepted, failures) = (history.accepted(), history.failures());
        let lost = found.iter().filter(|breach| is_loss(breach)).count();
        let (calls, burnt) = {
            let counts = self.world.simulator.counts();
            (counts.calls, counts.burnt)
        };
        let waits = history.waits();
        let longest = waits.last().copied().unwrap_or_default();
        let mut figures = Figures::of(self.subject)
            .value("jobs", self.crowd.jobs())
            .value("accepted", accepted)
            .value("lost", lost)
            .value("failed", failures.len())
            .value("calls", calls)
            .value("burnt", burnt)
            .value("repeated calls", repeats_counted);
        if let Some(middle) = waits.get(waits.len() / 2) {
            figures = figures.time("wait p50", *middle).time("longest", longest);
        }
        let troubles = history.troubles();
        if let (Some(first), Some(last)) = (troubles.first(), troubles.last()) {
            figures = figures
                .value("submits refused", troubles.len())
                .time("for", since(first.at, last.at));
        }
        if !found.is_empty() {
            figures.show();
        }
        assert_eq!(found, [], "{}", self.subject);
        Outcome {
            jobs: self.crowd.jobs() as u64,
            held: self.held,
            failures,
            calls,
            burnt,
            longest,
            troubles,
            figures,
        }
    }

    /// Waits until the queue is empty and no worker holds anything.
    async fn is_idle(&self) {
        eventually("an empty queue and idle workers", PATIENCE, async || {
            let mut busy = self.waiting().await != Some(0);
            for client in self.at_work() {
                busy |= metric(&client, SLOTS).await > 0;
            }
            (!busy).then_some(())
        })
        .await;
    }

    /// What waits at the broker. In embedded mode nobody can be asked.
    async fn waiting(&self) -> Option<u32> {
        match &self.world.backing {
            Backing::Servers { prefix, .. } => {
                let [with_jobs @ .., _dead] = prefix.queues();
                broker::ready(&self.broker, &with_jobs).await
            }
            Backing::File => Some(0),
        }
    }

    /// Calls that the processes of now have counted as repeated.
    async fn repeats(&self) -> u64 {
        let mut sum = 0;
        for client in self.at_work() {
            sum += repeats(&client).await;
        }
        sum
    }

    /// Where the processes of now that work tell their metrics.
    fn at_work(&self) -> Vec<Client> {
        let client = self.world.client();
        match self.world.mode {
            Mode::Distributed => {
                self.world.workers.iter().map(|worker| client.at(&worker.metrics)).collect()
            }
            Mode::Embedded => vec![client.at(&self.world.worker_metrics())],
        }
    }
}

fn is_loss(breach: &Breach) -> bool {
    matches!(breach, Breach::Lost { .. } | Breach::Uncommitted { .. })
}

async fn repeats(client: &Client) -> u64 {
    metric(client, "quhao_exchanges_repeated_total").await
}

/// The sum of all lines of one metric.
async fn metric(client: &Client, name: &str) -> u64 {
    let text = client.get("/metrics").await.text;
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}
