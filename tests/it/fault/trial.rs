//! The product under load, and what is asked of it in the end, whatever broke.

use std::time::{Duration, SystemTime};

use quhao_simulator::User;
use quhao_tests::{
    broker,
    client::Client,
    config::{Backing, Mode},
    history::{
        End,
        rules::{Breach, breaches},
    },
    load::{Crowd, Load},
    services,
    wait::{PATIENCE, eventually},
    world::World,
};
use reqwest::Method;
use tokio::time::Instant;

use super::{ground::Ground, moves::moves, outcome::Outcome};

/// Jobs in a worker.
const SLOTS: &str = "quhao_slots";

/// Longest that word of the last jobs may take: what a worker that was killed had claimed
/// comes to another after twelve seconds, and pauses between attempts grow.
const WORD_MAX: Duration = Duration::from_mins(1);
/// Between two looks whether it has come.
const WORD_PAUSE: Duration = Duration::from_millis(250);

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
    /// When workers were killed.
    kills: Vec<SystemTime>,
    /// Jobs that they had in hand then.
    held: u64,
    end: End,
}

impl Trial {
    /// Lets guests come, where the broker is the usual one.
    pub(super) fn of(subject: &'static str, ground: Ground, load: Load) -> Self {
        let guests = load.guests(&ground);
        Self::with(subject, ground, load, guests)
    }

    /// The same with these guests of that load.
    pub(super) fn with(
        subject: &'static str,
        ground: Ground,
        load: Load,
        guests: Vec<User>,
    ) -> Self {
        let Ground { world, inbox } = ground;
        let crowd = load.start(&world, guests, inbox);
        let broker = services::amqp_url();
        Self { world, crowd, subject, broker, kills: Vec::new(), held: 0, end: End::default() }
    }

    /// The same, where the broker is another.
    #[must_use]
    pub(super) fn at_broker(self, url: String) -> Self {
        Self { broker: url, ..self }
    }

    /// From now on it is known that somebody has deleted the queue with all that was in it.
    pub(super) fn has_lost_its_queue(&mut self) {
        self.end.queue_deleted_at = Some(SystemTime::now());
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
        self.end.repeats_counted += repeats(client).await;
        self.held += client.metric(SLOTS).await;
        self.kills.push(SystemTime::now());
    }

    /// Ends the first worker in peace.
    pub(super) async fn drain_worker(&mut self) {
        let mut worker = self.world.workers.remove(0);
        self.end.repeats_counted += repeats(&self.world.client().at(&worker.metrics)).await;
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

    /// Waits for every guest and every word, drains, and judges everything that has happened.
    pub(super) async fn end(mut self) -> Outcome {
        self.crowd.leaves().await;
        self.is_idle().await;
        self.end.drained_at = Some(SystemTime::now());
        self.crowd.look_again().await;
        self.has_told().await;
        let repeats_counted = self.end.repeats_counted + self.repeats().await;
        while !self.world.workers.is_empty() {
            self.drain_worker().await;
        }
        assert_eq!(self.waiting().await, Some(0), "deliveries came back unsettled");

        let (history, calls) = (self.crowd.history(), self.world.simulator.calls());
        let moves = moves(&calls, &self.kills);
        self.crowd.hear();
        history.add_calls(calls);
        let found = breaches(&history.events(), &End { repeats_counted, ..self.end });
        let lost = found.iter().filter(|breach| is_loss(breach)).count();
        let counts = self.world.simulator.counts();
        let outcome = Outcome::of(self.subject, history, (self.crowd.jobs(), &counts))
            .value("lost", lost)
            .value("repeated calls", repeats_counted)
            .after_kills(self.held, moves);
        if !found.is_empty() {
            outcome.show();
        }
        assert_eq!(found, [], "{}", self.subject);
        outcome
    }

    /// Waits until word has come of all jobs of which it must, or for long enough: what is
    /// missing then is found missing.
    async fn has_told(&self) {
        let latest = Instant::now() + WORD_MAX;
        let is_untold = |breach: &Breach| matches!(breach, Breach::Untold { .. });
        loop {
            self.crowd.hear();
            let found = breaches(&self.crowd.history().events(), &self.end);
            if !found.iter().any(is_untold) || Instant::now() >= latest {
                return;
            }
            tokio::time::sleep(WORD_PAUSE).await;
        }
    }

    /// Waits until the queue is empty and no worker holds anything.
    async fn is_idle(&self) {
        eventually("an empty queue and idle workers", PATIENCE, async || {
            let mut busy = self.waiting().await != Some(0);
            for client in self.at_work() {
                busy |= client.metric(SLOTS).await > 0;
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
    matches!(breach, Breach::Lost { .. } | Breach::Uncommitted { .. } | Breach::Untold { .. })
}

async fn repeats(client: &Client) -> u64 {
    client.metric("quhao_exchanges_repeated_total").await
}
