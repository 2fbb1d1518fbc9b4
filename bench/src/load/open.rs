//! An open loop: jobs arrive at times that are fixed before the first one is sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Target,
    tally::{Arrival, Book, Tally},
};
use crate::load::connection::Connection;

/// A job that could not be sent for so long, since all connections were busy, is not sent
/// any more: this bounds what waits for a connection.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// From the call to the first arrival.
const LEAD: Duration = Duration::from_millis(50);

/// The arrivals of one load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Between two arrivals.
    pub(crate) gap: Duration,
    /// How many there are.
    pub(crate) jobs: u64,
    /// What the jobs' results are worth anything within.
    pub(crate) deadline: Duration,
}

impl Schedule {
    /// Creates a schedule of `jobs_per_second`, for `time`.
    pub(crate) fn new(jobs_per_second: u32, time: Duration, deadline: Duration) -> Self {
        let gap = Duration::from_secs(1) / jobs_per_second.max(1);
        let jobs = time.as_nanos() / gap.as_nanos().max(1);
        Self { gap, jobs: u64::try_from(jobs).unwrap_or(u64::MAX), deadline }
    }

    /// Returns when arrival `number` is due, from the start.
    fn due(self, number: u64) -> Duration {
        let nanos = u64::try_from(self.gap.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos.saturating_mul(number))
    }

    /// Returns how many have arrived so long after the start.
    fn arrived(self, after: Duration) -> u64 {
        let arrived = after.as_nanos() / self.gap.as_nanos().max(1) + 1;
        u64::try_from(arrived).unwrap_or(u64::MAX).min(self.jobs)
    }
}

/// Lets jobs arrive as `schedule` says, and waits for every answer.
pub(crate) async fn send(target: &Target, schedule: Schedule) -> Result<Tally> {
    send_from(target.connected_clients().await?, target, schedule).await
}

/// Lets jobs arrive like [`send`], by clients that connect with their first job.
pub(crate) async fn send_connecting(target: &Target, schedule: Schedule) -> Result<Tally> {
    send_from(target.clients(), target, schedule).await
}

async fn send_from(
    connections: Vec<Connection>,
    target: &Target,
    schedule: Schedule,
) -> Result<Tally> {
    let started = Instant::now() + LEAD;
    let book = Book::new(schedule.jobs, schedule.deadline, started);
    let (turns, next) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU64::new(0)));
    let pacer = Pacer::start(schedule, started, &turns);
    let mut sending = JoinSet::new();
    for connection in connections {
        let load = Load {
            target: target.clone(),
            schedule,
            started,
            turns: Arc::clone(&turns),
            next: Arc::clone(&next),
        };
        sending.spawn(load.send(connection, book.clone()));
    }
    while let Some(ended) = sending.join_next().await {
        ended?;
    }
    drop(pacer);
    Ok(book.close())
}

/// What one connection needs to know.
struct Load {
    target: Target,
    schedule: Schedule,
    started: Instant,
    turns: Arc<Semaphore>,
    next: Arc<AtomicU64>,
}

impl Load {
    /// Sends what arrives, until all have arrived.
    async fn send(self, mut connection: Connection, book: Book) {
        let mut request = Vec::new();
        // Closed once all turns were given and taken.
        while let Ok(turn) = self.turns.acquire().await {
            turn.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number + 1 >= self.schedule.jobs {
                self.turns.close();
            }
            let (due, sent) = (self.started + self.schedule.due(number), Instant::now());
            if sent.saturating_duration_since(due) > DELAY_MAX {
                book.missed();
                continue;
            }
            self.target.requests.write(self.target.first + number, &mut request);
            let answer = connection.send(&request).await;
            book.answered(Arrival { due, sent }, &answer);
        }
    }
}

/// Gives a turn at each arrival, from a thread of its own: the runtime's timers have a
/// resolution of a millisecond, which would be counted as latency.
struct Pacer {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Pacer {
    fn start(schedule: Schedule, started: Instant, turns: &Arc<Semaphore>) -> Self {
        let (stop, turns) = (Arc::new(AtomicBool::new(false)), Arc::clone(turns));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut given = 0;
            while given < schedule.jobs && !stopped.load(Ordering::Relaxed) {
                let now = Instant::now();
                let next = started + schedule.due(given);
                if now < next {
                    thread::sleep(next - now);
                    continue;
                }
                let arrived = schedule.arrived(now - started);
                turns.add_permits(usize::try_from(arrived - given).unwrap_or_default());
                given = arrived;
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_spread_evenly() {
        let schedule = Schedule::new(1000, Duration::from_secs(3), Duration::MAX);
        assert_eq!(schedule.jobs, 3000);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1500), Duration::from_millis(1500));
        assert_eq!(schedule.arrived(Duration::ZERO), 1);
        assert_eq!(schedule.arrived(Duration::from_micros(1999)), 2);
        // However late: all, and no more.
        assert_eq!(schedule.arrived(Duration::from_mins(1)), 3000);
    }

    #[tokio::test]
    async fn each_arrival_gets_one_turn() {
        let schedule = Schedule::new(10_000, Duration::from_millis(20), Duration::MAX);
        let turns = Arc::new(Semaphore::new(0));
        let started = Instant::now();
        let _pacer = Pacer::start(schedule, started, &turns);
        let taking = turns.acquire_many(200);
        tokio::time::timeout(Duration::from_secs(10), taking).await.unwrap().unwrap().forget();
        assert!(started.elapsed() >= schedule.due(199));
        assert_eq!(turns.available_permits(), 0);
    }
}
