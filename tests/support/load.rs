//! Clients that come at a steady rate, whatever becomes of those before them: an open loop.
//! Each is followed to the end of its job, every second one wants a callback, too, and
//! everything is recorded in a [`History`].

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use quhao_simulator::User;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

pub use self::{
    profile::{LoadProfile, is_long},
    webhook_inbox::WebhookInbox,
};

use self::client_pool::{ClientPool, END_GRACE, REQUEST_LIMIT, RETRY_PAUSE, locked};
use crate::{
    client::Client,
    history::{History, What},
    wait::within,
    world::World,
};

mod client_pool;
mod profile;
mod webhook_inbox;

/// Clients that submit at the same instant, so that their jobs are batched, as under load. As
/// many come one by one before the next burst, so that there is always something in flight.
const BURST: usize = 16;
/// Results that are read once more side by side.
const READS_MAX: usize = 16;

/// A load that is running. It ends when this is dropped.
#[derive(Debug)]
pub struct Load {
    pool: Arc<ClientPool>,
    arriving: JoinHandle<()>,
    started: Instant,
}

impl Load {
    /// Starts a client for each of `users`. Every second one has a callback sent to `inbox`.
    pub fn start(
        profile: LoadProfile,
        world: &World,
        users: Vec<User>,
        inbox: WebhookInbox,
    ) -> Self {
        let pool = Arc::new(ClientPool {
            profile,
            producers: Mutex::new(producers(world)),
            turn: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
            history: History::default(),
            inbox,
            submissions: Mutex::default(),
        });
        let started = Instant::now();
        let arriving = tokio::spawn(arrive(Arc::clone(&pool), users, started));
        Self { pool, arriving, started }
    }

    /// Returns how many clients have come.
    pub fn jobs(&self) -> usize {
        self.pool.started.load(Ordering::Relaxed)
    }

    /// Lets no further client come.
    pub fn stop(&self) {
        self.pool.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Returns what has happened.
    pub fn history(&self) -> &History {
        &self.pool.history
    }

    /// Lets clients use the producers that `world` has now, in turn.
    pub fn use_producers_of(&self, world: &World) {
        *locked(&self.pool.producers) = producers(world);
    }

    /// Waits until the load has run for this time.
    pub async fn reach(&self, time: Duration) {
        sleep_until(self.started + time).await;
    }

    /// Waits until every client has got an answer or given up.
    pub async fn wait_for_clients(&mut self) {
        let profile = self.pool.profile;
        // To be accepted, to be run, to be answered.
        let one = Duration::from_secs(2 * profile.deadline_seconds) + END_GRACE + REQUEST_LIMIT * 2;
        let all = within("every client has ended", profile.time + one, &mut self.arriving);
        all.await.expect("a client that panicked says why above");
    }

    /// Reads every job's result once more. What is there now is final.
    pub async fn read_all_again(&self) {
        let submissions = locked(&self.pool.submissions).clone();
        let permits = Arc::new(Semaphore::new(READS_MAX));
        let mut reads = JoinSet::new();
        for (code, submission) in submissions {
            let Some(url) = submission.url else { continue };
            let pool = Arc::clone(&self.pool);
            let permits = Arc::clone(&permits);
            reads.spawn(async move {
                let _permit = permits.acquire().await.expect("never closed");
                let reading = async {
                    loop {
                        if let Some(seen) = pool.read(&url, &submission.phone).await {
                            return seen;
                        }
                        sleep(RETRY_PAUSE).await;
                    }
                };
                let seen = within("a last read of a job", END_GRACE, reading).await;
                pool.history.now(&code, What::Read(seen));
            });
        }
        reads.join_all().await;
    }

    /// Records the callbacks that were received by now.
    pub fn record_callbacks(&self) {
        self.pool.record_callbacks();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.arriving.abort();
    }
}

/// Starts the clients at their times, half of them in bursts, and waits for all of them.
async fn arrive(pool: Arc<ClientPool>, users: Vec<User>, started: Instant) {
    let gap = Duration::from_secs(1) / pool.profile.rate;
    let mut clients = JoinSet::new();
    let mut next = started;
    for (number, user) in users.into_iter().enumerate() {
        let is_in_burst = number % (2 * BURST) < BURST && number % BURST > 0;
        if !is_in_burst {
            sleep_until(next).await;
        }
        next += gap;
        if pool.is_stopped.load(Ordering::Relaxed) {
            break;
        }
        pool.started.fetch_add(1, Ordering::Relaxed);
        let callback = number % 2 == 0;
        clients.spawn(Arc::clone(&pool).run_client(user, callback));
    }
    clients.join_all().await;
}

fn producers(world: &World) -> Vec<Client> {
    let client = world.client();
    world.producers.iter().map(|producer| client.at(&producer.address)).collect()
}
