//! The product under load, and what is checked in the end, whatever broke.

use std::time::{Duration, SystemTime};

use quhao_simulator::User;
use reqwest::Method;
use tokio::time::Instant;

use super::{cut_off::CutOffCalls, fixture::Fixture, machine::MachineShare, report::Report};
use crate::{
    broker::QueueLengths,
    client::Client,
    config::Mode,
    history::{
        End,
        rules::{Breach, breaches},
    },
    load::{Load, LoadProfile},
    services,
    wait::{PATIENCE, eventually},
    world::World,
};

/// The metric of the jobs that a worker holds.
const SLOTS: &str = "quhao_slots";

/// Longest that the callbacks of the last jobs may take: those that a killed worker had claimed
/// go to another after twelve seconds, and pauses between attempts grow.
const CALLBACKS_MAX: Duration = Duration::from_mins(1);
/// The pause between two checks whether all have come.
const CALLBACKS_PAUSE: Duration = Duration::from_millis(250);

/// Longest that submits may be rejected after the broker answers again.
pub const SUBMIT_RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Longest that a worker may take to be subscribed after the broker answers again.
pub const CONSUMER_RECOVERY_MAX: Duration = Duration::from_secs(10);

/// A product under load. [`FaultRun::finish`] checks what has happened.
pub struct FaultRun {
    /// The product and the platform.
    pub world: World,
    /// The clients.
    pub load: Load,
    subject: &'static str,
    broker: String,
    /// When workers were killed.
    kills: Vec<SystemTime>,
    /// Jobs in flight in them then.
    held: u64,
    end: End,
    _share: MachineShare,
}

impl FaultRun {
    /// Starts a load. The broker is the usual one.
    pub fn start(subject: &'static str, fixture: Fixture, profile: LoadProfile) -> Self {
        let users = profile.users(&fixture);
        Self::start_with_users(subject, fixture, profile, users)
    }

    /// Starts a load for these users of that profile.
    pub fn start_with_users(
        subject: &'static str,
        fixture: Fixture,
        profile: LoadProfile,
        users: Vec<User>,
    ) -> Self {
        let Fixture { world, inbox, share } = fixture;
        let load = Load::start(profile, &world, users, inbox);
        Self {
            world,
            load,
            subject,
            broker: services::amqp_url(),
            kills: Vec::new(),
            held: 0,
            end: End::default(),
            _share: share,
        }
    }

    /// Returns the same run at another broker.
    #[must_use]
    pub fn at_broker(self, url: String) -> Self {
        Self { broker: url, ..self }
    }

    /// Notes that the queue was deleted with all that was in it.
    pub fn queue_was_deleted(&mut self) {
        self.end.queue_deleted_at = Some(SystemTime::now());
    }

    /// Kills the one process of embedded mode (`kill -9`) and starts it again.
    pub async fn kill_embedded(&mut self) {
        self.note_kill(&self.world.worker_ops()).await;
        self.world.restart_embedded().await;
        self.load.use_producers_of(&self.world);
    }

    /// Kills the first worker (`kill -9`).
    pub async fn kill_worker(&mut self) {
        let mut worker = self.world.workers.remove(0);
        self.note_kill(&self.world.client().at(&worker.metrics)).await;
        worker.process.kill_9();
    }

    /// Notes what is lost with a process that is killed now.
    async fn note_kill(&mut self, client: &Client) {
        self.end.repeats_counted += repeats(client).await;
        self.held += client.metric(SLOTS).await;
        self.kills.push(SystemTime::now());
    }

    /// Drains the first worker (SIGTERM).
    pub async fn drain_worker(&mut self) {
        let mut worker = self.world.workers.remove(0);
        self.end.repeats_counted += repeats(&self.world.client().at(&worker.metrics)).await;
        worker.process.terminate();
        let status = worker.process.wait_exit(PATIENCE).await;
        assert!(status.success(), "a worker that drains exits with 0, not {status}");
    }

    /// Waits until all processes are ready.
    pub async fn wait_until_ready(&self, limit: Duration) {
        let client = self.world.client();
        let producers = self.world.producers.iter().map(|producer| &producer.address);
        let workers = self.world.workers.iter().map(|worker| &worker.metrics);
        for address in producers.chain(workers) {
            let what = format!("{address} is ready again");
            eventually(&what, limit, async || {
                let reply = client.at(address).request(Method::GET, "/readyz", &[], None).await;
                reply.is_ok_and(|reply| reply.status == 200).then_some(())
            })
            .await;
        }
    }

    /// Waits for all clients and callbacks, drains the workers, and checks everything that has
    /// happened.
    pub async fn finish(mut self) -> Report {
        self.load.wait_for_clients().await;
        self.wait_until_idle().await;
        self.end.drained_at = Some(SystemTime::now());
        self.load.read_all_again().await;
        self.wait_for_callbacks().await;
        let repeats_counted = self.end.repeats_counted + self.repeats().await;
        while !self.world.workers.is_empty() {
            self.drain_worker().await;
        }
        if let Some(queues) = self.open_queues().await {
            assert_eq!(queues.ready().await, Some(0), "deliveries came back unsettled");
            queues.close().await;
        }

        let history = self.load.history();
        let calls = self.world.simulator.calls();
        let cut_off = CutOffCalls::find(&calls, &self.kills);
        self.load.record_callbacks();
        history.add_calls(calls);
        let found = breaches(&history.events(), &End { repeats_counted, ..self.end });
        let lost = found.iter().filter(|breach| is_loss(breach)).count();
        let counts = self.world.simulator.counts();
        let report = Report::new(self.subject, history, self.load.jobs(), &counts)
            .value("lost", lost)
            .value("repeated calls", repeats_counted)
            .after_kills(self.held, cut_off);
        if !found.is_empty() {
            report.show();
        }
        assert_eq!(found, [], "{}", self.subject);
        report
    }

    /// Waits until all callbacks have come, or for long enough: what is missing then is a
    /// breach.
    async fn wait_for_callbacks(&self) {
        let latest = Instant::now() + CALLBACKS_MAX;
        let is_missing = |breach: &Breach| matches!(breach, Breach::CallbackMissing { .. });
        loop {
            self.load.record_callbacks();
            let found = breaches(&self.load.history().events(), &self.end);
            if !found.iter().any(is_missing) || Instant::now() >= latest {
                return;
            }
            tokio::time::sleep(CALLBACKS_PAUSE).await;
        }
    }

    /// Waits until the queue is empty and no worker holds anything.
    async fn wait_until_idle(&self) {
        let queues = self.open_queues().await;
        eventually("an empty queue and idle workers", PATIENCE, async || {
            if let Some(queues) = &queues
                && queues.ready().await != Some(0)
            {
                return None;
            }
            for worker in self.worker_clients() {
                if worker.metric(SLOTS).await > 0 {
                    return None;
                }
            }
            Some(())
        })
        .await;
        if let Some(queues) = queues {
            queues.close().await;
        }
    }

    /// Opens the queues of jobs and outcomes. In embedded mode there is no broker to ask.
    async fn open_queues(&self) -> Option<QueueLengths> {
        if self.world.mode == Mode::Embedded {
            return None;
        }
        let [queues @ .., _dead_letters] = self.world.queues();
        Some(QueueLengths::open(&self.broker, &queues).await)
    }

    /// Returns the repeated calls that the processes of now have counted.
    async fn repeats(&self) -> u64 {
        let mut sum = 0;
        for client in self.worker_clients() {
            sum += repeats(&client).await;
        }
        sum
    }

    /// Returns clients for the metrics of the processes of now that run jobs.
    fn worker_clients(&self) -> Vec<Client> {
        let client = self.world.client();
        match self.world.mode {
            Mode::Distributed => {
                self.world.workers.iter().map(|worker| client.at(&worker.metrics)).collect()
            }
            Mode::Embedded => vec![self.world.worker_ops()],
        }
    }
}

fn is_loss(breach: &Breach) -> bool {
    matches!(
        breach,
        Breach::Lost { .. } | Breach::AckedWithoutAnswer { .. } | Breach::CallbackMissing { .. }
    )
}

async fn repeats(client: &Client) -> u64 {
    client.metric("quhao_exchanges_repeated_total").await
}
