//! Whether this worker does its work, in words for an operator.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use quhao_backend::queue::{LinkStatus, Queue};
use serde::Serialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tracing::info;

/// How long a worker keeps what it has fetched while it cannot reach the store. Others may
/// be able to, and each return counts towards the delivery limit on RabbitMQ before 4.3.
pub const STORE_BLIP_MAX: Duration = Duration::from_secs(2);
/// Different obstacles that are told; further ones stop the worker as well.
const OBSTACLES_MAX: usize = 8;

/// What is known besides the queue's link.
#[derive(Debug, Default)]
pub struct Health {
    store_down: watch::Sender<StoreDown>,
    stuck: watch::Sender<Stuck>,
    draining: AtomicBool,
}

/// What is asked of the store. One may work and the other not: a read-only or a full
/// database answers every question and takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreUse {
    /// Which jobs have an answer.
    Look,
    /// The commit of outcomes.
    Commit,
}

/// Since when the store has been out of reach, for each use.
#[derive(Debug, Default)]
struct StoreDown {
    look: Option<Instant>,
    commit: Option<Instant>,
}

impl StoreDown {
    fn of(&mut self, of: StoreUse) -> &mut Option<Instant> {
        match of {
            StoreUse::Look => &mut self.look,
            StoreUse::Commit => &mut self.commit,
        }
    }

    fn since(&self) -> Option<Instant> {
        self.look.into_iter().chain(self.commit).min()
    }
}

/// What keeps the worker from taking jobs although the store answers.
#[derive(Debug, Default)]
struct Stuck {
    clock: Clock,
    /// Why jobs that it met cannot be worked on here.
    obstacles: BTreeSet<String>,
}

impl Stuck {
    fn is_stuck(&self) -> bool {
        self.clock != Clock::Right || !self.obstacles.is_empty()
    }
}

/// How this machine's clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The store has not been asked yet.
    #[default]
    Unknown,
    /// Near enough to the store's.
    Right,
    /// So far off.
    Off(Duration),
}

/// What `/readyz` tells.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether jobs are being taken.
    pub ready: bool,
    /// Why not.
    pub reasons: Vec<String>,
}

impl Health {
    /// The store does not do what was asked of it. True if that is news.
    pub fn store_fails(&self, at: StoreUse) -> bool {
        self.store_down.send_if_modified(|down| {
            let news = down.since().is_none();
            down.of(at).get_or_insert_with(Instant::now);
            news
        })
    }

    /// Whether the store has been out of reach for longer than a blip.
    pub fn is_store_lost(&self) -> bool {
        self.store_down.borrow().since().is_some_and(|since| since.elapsed() > STORE_BLIP_MAX)
    }

    /// Whether outcomes cannot be committed at the moment.
    pub fn commits_fail(&self) -> bool {
        self.store_down.borrow().commit.is_some()
    }

    /// The store did what was asked of it.
    pub fn store_answers(&self, at: StoreUse) {
        let is_back = self.store_down.send_if_modified(|down| {
            let was_down = down.since().is_some();
            *down.of(at) = None;
            was_down && down.since().is_none()
        });
        if is_back {
            info!("the store is back");
        }
    }

    /// Waits until the store has been out of reach for longer than a blip.
    pub async fn store_lost(&self) {
        let mut down = self.store_down.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = down.wait_for(|down| down.since().is_some()).await;
            let is_back = down.wait_for(|down| down.since().is_none());
            if timeout(STORE_BLIP_MAX, is_back).await.is_err() {
                return;
            }
        }
    }

    /// The worker met a job that it must not touch, for this `reason`. True if that is worth
    /// telling.
    pub fn obstacle(&self, reason: &str) -> bool {
        self.stuck.send_if_modified(|stuck| {
            stuck.obstacles.len() < OBSTACLES_MAX && stuck.obstacles.insert(reason.to_owned())
        })
    }

    /// Such jobs are to be tried again. The clock is another matter.
    pub fn forget_obstacles(&self) {
        self.stuck.send_modify(|stuck| stuck.obstacles.clear());
    }

    /// Whether the worker met a job that it must not touch.
    pub fn has_obstacles(&self) -> bool {
        !self.stuck.borrow().obstacles.is_empty()
    }

    /// How the clock stands now; returns how it stood.
    pub fn clock(&self, now: Clock) -> Clock {
        let mut before = now;
        self.stuck.send_modify(|stuck| before = std::mem::replace(&mut stuck.clock, now));
        before
    }

    /// Whether the clock is known to be near enough to the store's.
    pub fn is_clock_right(&self) -> bool {
        self.stuck.borrow().clock == Clock::Right
    }

    /// Whether the worker must take no jobs now.
    pub fn is_stuck(&self) -> bool {
        self.stuck.borrow().is_stuck()
    }

    /// Waits until the worker must take no jobs, or, if `stuck` is false, until it may.
    pub async fn until(&self, stuck: bool) {
        // The sender lives as long as this.
        let _ = self.stuck.subscribe().wait_for(|now| now.is_stuck() == stuck).await;
    }

    /// The worker has begun to drain.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether jobs reach this worker and get done.
    pub fn readiness(&self, queue: &Queue) -> Readiness {
        let mut reasons = Vec::new();
        if let LinkStatus::Down(reason) = queue.consuming() {
            reasons.push(reason.to_owned());
        }
        reasons.extend(self.reasons());
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Why jobs are not done, but for the queue's reasons.
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        {
            let stuck = self.stuck.borrow();
            match stuck.clock {
                Clock::Right => {}
                Clock::Unknown => reasons.push(
                    "this machine's clock has not been compared with the store's yet".to_owned(),
                ),
                Clock::Off(off) => {
                    reasons.push(format!("this machine's clock is {off:.1?} off the store's"));
                }
            }
            reasons.extend(stuck.obstacles.iter().cloned());
        }
        if self.store_down.borrow().since().is_some() {
            reasons.push("the store is out of reach".to_owned());
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("draining".to_owned());
        }
        reasons
    }
}
