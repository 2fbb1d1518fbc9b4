//! A queue with workers and producers in steps of a few milliseconds, to see what the
//! estimate makes of it.

use std::collections::VecDeque;

use super::*;
use crate::admission::EVERY;

pub(super) const STEP: Duration = Duration::from_millis(5);
/// How often outcomes are committed, and how long it takes until producers hear of it.
const COMMIT: Duration = Duration::from_millis(20);
const NEWS: Duration = Duration::from_millis(10);

/// What runs.
pub(super) struct Fleet {
    pub(super) producers: Vec<Estimate>,
    /// Jobs that all workers together work on at once.
    pub(super) slots: usize,
    /// How long they take for one.
    pub(super) service: Duration,
    /// What every job has before it.
    pub(super) life: Duration,
    pub(super) counts: Counts,
    pub(super) now: Instant,
    started: Instant,
    pub(super) queue: VecDeque<Instant>,
    fetched: VecDeque<Instant>,
    /// When it was submitted and taken, and when it ends.
    working: Vec<(Instant, Instant, Instant)>,
    /// Since the last commit.
    ended: Vec<(Duration, Duration)>,
    told: VecDeque<ObservedThroughput>,
    asked: Vec<Instant>,
    due: f64,
    turn: usize,
    noise: u32,
}

/// What became of the jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) offered: u32,
    pub(super) refused: u32,
    pub(super) in_time: u32,
    pub(super) late: u32,
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
            told: VecDeque::new(),
            asked: vec![now; producers],
            due: 0.0,
            turn: 0,
            noise: 1,
        }
    }

    /// Jobs a second that can be done.
    pub(super) fn capacity(&self) -> f64 {
        f64::from(u16::try_from(self.slots).expect("some slots")) / self.service.as_secs_f64()
    }

    /// Lets `rate` jobs a second come for `time`; what became of jobs meanwhile.
    pub(super) fn run(&mut self, rate: f64, time: Duration) -> Counts {
        let (before, end) = (self.counts, self.now + time);
        while self.now < end {
            self.now += STEP;
            self.due += rate * STEP.as_secs_f64();
            while self.due >= 1.0 {
                self.due -= 1.0;
                self.submit();
            }
            self.work();
            self.tell();
            self.ask();
        }
        let since = |now: u32, then: u32| now - then;
        Counts {
            offered: since(self.counts.offered, before.offered),
            refused: since(self.counts.refused, before.refused),
            in_time: since(self.counts.in_time, before.in_time),
            late: since(self.counts.late, before.late),
        }
    }

    /// One job, at the producer whose turn it is.
    pub(super) fn submit(&mut self) {
        self.counts.offered += 1;
        self.turn = (self.turn + 1) % self.producers.len();
        let producer = &mut self.producers[self.turn];
        if producer.judge(self.now, self.life).is_ok() {
            producer.accepted();
            self.queue.push_back(self.now);
        } else {
            self.counts.refused += 1;
        }
    }

    fn work(&mut self) {
        let now = self.now;
        let (over, working) = self.working.drain(..).partition(|(_, _, end)| *end <= now);
        self.working = working;
        for (submitted, taken, _) in over {
            self.ended.push((taken - submitted, now - taken));
            if now - submitted <= self.life {
                self.counts.in_time += 1;
            } else {
                self.counts.late += 1;
            }
        }
        loop {
            let places = self.slots * FETCHED as usize;
            let room = places.saturating_sub(self.fetched.len()).min(self.queue.len());
            self.fetched.extend(self.queue.drain(..room));
            if self.working.len() >= self.slots {
                break;
            }
            let Some(submitted) = self.fetched.pop_front() else { break };
            if now - submitted >= self.life {
                self.counts.late += 1;
            } else {
                let end = now + self.service.mul_f64(self.jitter());
                self.working.push((submitted, now, end));
            }
        }
    }

    fn tell(&mut self) {
        let since_start = self.now - self.started;
        if since_start.as_millis().is_multiple_of(COMMIT.as_millis()) && !self.ended.is_empty() {
            let mut ended = std::mem::take(&mut self.ended);
            let jobs = u32::try_from(ended.len()).expect("a batch");
            ended.sort_unstable();
            let (waited, worked) = ended[ended.len() / 2];
            let throughput = Throughput { jobs, waited, worked };
            self.told.push_back(ObservedThroughput { at: self.now + NEWS, throughput });
        }
        while self.told.front().is_some_and(|heard| heard.at <= self.now) {
            let heard = self.told.pop_front().expect("just seen");
            for producer in &mut self.producers {
                producer.hear(heard);
            }
        }
    }

    /// Each producer asks as often as the real one, each at a time of its own.
    fn ask(&mut self) {
        let depth = self.queue.len() as u64;
        for (producer, asked) in self.producers.iter_mut().zip(&mut self.asked) {
            if *asked <= self.now && producer.is_busy(self.now) {
                let marks = producer.marks();
                producer.measure(self.now, marks, depth);
                *asked = self.now + EVERY;
            }
        }
    }

    /// Between 0.5 and 1.5, the same in every run.
    fn jitter(&mut self) -> f64 {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        0.5 + f64::from(self.noise >> 8) / f64::from(1_u32 << 24)
    }
}
