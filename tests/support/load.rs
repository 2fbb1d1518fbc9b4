//! Guests that come at a steady throughput, whatever becomes of those before them: an open loop.
//! Each is followed to the end of its job, every second one wants a callback, too, and
//! everything goes into a [`History`].

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

pub use self::webhook_inbox::WebhookInbox;

use self::desk::{Desk, END_GRACE, PAUSE, REQUEST_LIMIT, locked};
use crate::{
    client::Client,
    history::{History, What},
    wait::within,
    world::World,
};

mod desk;
mod webhook_inbox;

/// Guests that come together, so that their jobs share messages, as under load. As many
/// come one by one before the next of them, so that there is always something under way.
const PARTY: usize = 16;
/// Jobs that are looked at once more side by side.
const LOOKS_AT_ONCE: usize = 16;

/// Whether tests run in their long form: `tests/run faults`.
pub fn long() -> bool {
    std::env::var_os("QUHAO_TEST_LONG").is_some_and(|value| !value.is_empty())
}

/// How many guests come, and what they want.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Guests a second.
    pub rate: u32,
    /// For so long.
    pub time: Duration,
    /// Their jobs' `deadline_seconds`. They stop submitting after it.
    pub deadline_seconds: u64,
}

impl Default for Load {
    /// 30 a second for eight seconds; in the long form 40 for a minute.
    fn default() -> Self {
        let (rate, seconds) = if long() { (40, 60) } else { (30, 8) };
        Self { rate, time: Duration::from_secs(seconds), deadline_seconds: 60 }
    }
}

impl Load {
    /// The usual throughput until [`Crowd::enough`], two minutes at most: for faults whose time
    /// nobody knows before.
    pub fn until_enough() -> Self {
        Self { time: Duration::from_mins(2), ..Self::default() }
    }

    /// Those who will come.
    pub fn guests(self, world: &World) -> Vec<User> {
        let count = u128::from(self.rate) * self.time.as_millis() / 1000;
        (0..count).map(|_| world.guest()).collect()
    }

    /// Lets them come from now on. Every second one has word of the end sent to `inbox`.
    pub fn start(self, world: &World, guests: Vec<User>, inbox: WebhookInbox) -> Crowd {
        let gap = Duration::from_secs(1) / self.rate;
        let desk = Arc::new(Desk {
            load: self,
            producers: Mutex::new(producers(world)),
            turn: AtomicUsize::new(0),
            came: AtomicUsize::new(0),
            enough: AtomicBool::new(false),
            history: History::default(),
            inbox,
            guests: Mutex::default(),
        });
        let (arrivals, started) = (Arc::clone(&desk), Instant::now());
        let coming = tokio::spawn(async move {
            let mut guests_there = JoinSet::new();
            let mut next = started;
            for (number, guest) in guests.into_iter().enumerate() {
                let with_others = number % (2 * PARTY) < PARTY && number % PARTY > 0;
                if !with_others {
                    sleep_until(next).await;
                }
                next += gap;
                if arrivals.enough.load(Ordering::Relaxed) {
                    break;
                }
                arrivals.came.fetch_add(1, Ordering::Relaxed);
                guests_there.spawn(Arc::clone(&arrivals).attend(guest, number % 2 == 0));
            }
            guests_there.join_all().await;
        });
        Crowd { desk, coming, started }
    }
}

/// The guests that were let in.
#[derive(Debug)]
pub struct Crowd {
    desk: Arc<Desk>,
    coming: JoinHandle<()>,
    started: Instant,
}

impl Crowd {
    /// How many have come.
    pub fn jobs(&self) -> usize {
        self.desk.came.load(Ordering::Relaxed)
    }

    /// Nobody comes any more.
    pub fn enough(&self) {
        self.desk.enough.store(true, Ordering::Relaxed);
    }

    /// What has happened.
    pub fn history(&self) -> &History {
        &self.desk.history
    }

    /// From now on they ask the producers that `world` has now, in turn.
    pub fn ask(&self, world: &World) {
        *locked(&self.desk.producers) = producers(world);
    }

    /// Waits until so much of the time has passed in which guests come.
    pub async fn at(&self, time: Duration) {
        sleep_until(self.started + time).await;
    }

    /// Waits until every guest has got an answer or given up.
    pub async fn leaves(&mut self) {
        let load = self.desk.load;
        // To be accepted, to be worked on, to be answered.
        let one = Duration::from_secs(2 * load.deadline_seconds) + END_GRACE + REQUEST_LIMIT * 2;
        let all = within("every guest has left", load.time + one, &mut self.coming);
        all.await.expect("a guest that met a surprise says so above");
    }

    /// Looks at every job once more. What is there now is there for good.
    pub async fn look_again(&self) {
        let guests = locked(&self.desk.guests).clone();
        let turns = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
        let mut looks = JoinSet::new();
        for (code, place) in guests {
            let Some(url) = place.url else { continue };
            let (desk, turns) = (Arc::clone(&self.desk), Arc::clone(&turns));
            looks.spawn(async move {
                let _turn = turns.acquire().await.expect("never closed");
                let look = async {
                    loop {
                        if let Some(seen) = desk.look(&url, &place.phone).await {
                            return seen;
                        }
                        sleep(PAUSE).await;
                    }
                };
                let seen = within("a last look at a job", END_GRACE, look).await;
                desk.history.now(&code, What::Read(seen));
            });
        }
        looks.join_all().await;
    }

    /// Writes down the callbacks that have come by now.
    pub fn hear(&self) {
        self.desk.hear();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.coming.abort();
    }
}

fn producers(world: &World) -> Vec<Client> {
    let client = world.client();
    world.producers.iter().map(|producer| client.at(&producer.address)).collect()
}
