//! A model of a queue with workers and producers in steps of a few milliseconds, to see what
//! the estimate makes of it.

use std::{collections::VecDeque, time::Duration};

use quhao_backend::store::{ObservedThroughput, Throughput};
use tokio::time::Instant;

use super::{
    DEPTH_INTERVAL,
    estimate::{Estimate, FETCHED_PER_SLOT},
};

const STEP: Duration = Duration::from_millis(5);
/// Time between two commits.
const COMMIT_INTERVAL: Duration = Duration::from_millis(20);
/// Time from a commit until producers are notified of it.
const NOTIFICATION_DELAY: Duration = Duration::from_millis(10);

/// A queue, its producers and its workers.
pub(super) struct Fleet {
    pub(super) producers: Vec<Estimate>,
    /// Jobs that all workers together work on at once.
    pub(super) slots: usize,
    /// Mean time that a worker takes for a job.
    pub(super) service: Duration,
    /// Time that every job has until its deadline.
    pub(super) life: Duration,
    pub(super) counts: Counts,
    now: Instant,
    started: Instant,
    queue: VecDeque<Instant>,
    fetched: VecDeque<Instant>,
    working: Vec<Working>,
    /// Jobs that ended since the last commit.
    ended: Vec<Ended>,
    /// Commits that producers are not notified of yet.
    reports: VecDeque<ObservedThroughput>,
    /// When each producer asked for the depth last.
    asked: Vec<Instant>,
    /// Jobs that are to be submitted, of which the last is a fraction.
    due: f64,
    next_producer: usize,
    noise: u32,
}

/// A job that is being worked on.
struct Working {
    submitted: Instant,
    taken: Instant,
    ends: Instant,
}

/// How long a job waited, and how long it was worked on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ended {
    waited: Duration,
    worked: Duration,
}

/// What became of the jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) offered: u32,
    pub(super) refused: u32,
    pub(super) in_time: u32,
    pub(super) late: u32,
}

impl Counts {
    fn since(self, earlier: Self) -> Self {
        Self {
            offered: self.offered - earlier.offered,
            refused: self.refused - earlier.refused,
            in_time: self.in_time - earlier.in_time,
            late: self.late - earlier.late,
        }
    }
}

impl Fleet {
    pub(super) fn new(producers: usize, slots: usize, service: Duration, life: Duration) -> Self {
        let now = Instant::now();
        Self {
            producers: (0..producers).map(|_| Estimate::default()).collect(),
            slots,
            service,
            life,
            counts: Counts::default(),
            now,
            started: now,
            queue: VecDeque::new(),
            fetched: VecDeque::new(),
            working: Vec::new(),
            ended: Vec::new(),
            reports: VecDeque::new(),
            asked: vec![now; producers],
            due: 0.0,
            next_producer: 0,
            noise: 1,
        }
    }

    /// Returns how many jobs a second can be done.
    pub(super) fn capacity(&self) -> f64 {
        f64::from(u16::try_from(self.slots).expect("some slots")) / self.service.as_secs_f64()
    }

    /// Submits `rate` jobs a second for `time`, and returns what became of jobs meanwhile.
    pub(super) fn run(&mut self, rate: f64, time: Duration) -> Counts {
        let before = self.counts;
        let end = self.now + time;
        while self.now < end {
            self.now += STEP;
            self.due += rate * STEP.as_secs_f64();
            while self.due >= 1.0 {
                self.due -= 1.0;
                self.submit();
            }
            self.work();
            self.report();
            self.ask_depth();
        }
        self.counts.since(before)
    }

    /// Submits one job to the next producer.
    pub(super) fn submit(&mut self) {
        self.counts.offered += 1;
        self.next_producer = (self.next_producer + 1) % self.producers.len();
        let producer = &mut self.producers[self.next_producer];
        if producer.admit(self.now, self.life).is_ok() {
            producer.count_accepted();
            self.queue.push_back(self.now);
        } else {
            self.counts.refused += 1;
        }
    }

    /// Ends the jobs whose time it is, and takes others.
    fn work(&mut self) {
        let now = self.now;
        let (over, working): (Vec<_>, Vec<_>) =
            self.working.drain(..).partition(|job| job.ends <= now);
        self.working = working;
        for job in over {
            self.ended.push(Ended { waited: job.taken - job.submitted, worked: now - job.taken });
            if now - job.submitted <= self.life {
                self.counts.in_time += 1;
            } else {
                self.counts.late += 1;
            }
        }
        loop {
            let places = self.slots * FETCHED_PER_SLOT as usize;
            let room = places.saturating_sub(self.fetched.len()).min(self.queue.len());
            self.fetched.extend(self.queue.drain(..room));
            if self.working.len() >= self.slots {
                break;
            }
            let Some(submitted) = self.fetched.pop_front() else { break };
            if now - submitted >= self.life {
                self.counts.late += 1;
            } else {
                let ends = now + self.service.mul_f64(self.jitter());
                self.working.push(Working { submitted, taken: now, ends });
            }
        }
    }

    /// Commits what has ended, and notifies producers of earlier commits.
    fn report(&mut self) {
        let since_start = self.now - self.started;
        let is_commit = since_start.as_millis().is_multiple_of(COMMIT_INTERVAL.as_millis());
        if is_commit && !self.ended.is_empty() {
            let mut ended = std::mem::take(&mut self.ended);
            let jobs = u32::try_from(ended.len()).expect("a batch");
            ended.sort_unstable();
            let Ended { waited, worked } = ended.swap_remove(ended.len() / 2);
            let throughput = Throughput { jobs, waited, worked };
            self.reports
                .push_back(ObservedThroughput { at: self.now + NOTIFICATION_DELAY, throughput });
        }
        while self.reports.front().is_some_and(|report| report.at <= self.now) {
            let report = self.reports.pop_front().expect("just seen");
            for producer in &mut self.producers {
                producer.add(report);
            }
        }
    }

    /// Asks for the depth as often as a producer does, for each at a time of its own.
    fn ask_depth(&mut self) {
        let depth = self.queue.len() as u64;
        for (producer, asked) in self.producers.iter_mut().zip(&mut self.asked) {
            if *asked <= self.now && producer.is_busy(self.now) {
                let totals = producer.totals();
                producer.add_depth(self.now, totals, depth);
                *asked = self.now + DEPTH_INTERVAL;
            }
        }
    }

    /// Returns a factor between 0.5 and 1.5; the sequence is the same in every run.
    fn jitter(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.5 + f64::from(self.noise >> 8) / f64::from(1_u32 << 24)
    }
}
