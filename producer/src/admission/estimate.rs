//! How long a job that is submitted now will take to its outcome. Pure.
//!
//! What is heard lags behind: under a growing queue the jobs that end now waited less than
//! those that come now will. So the queue's depth is divided by the rate that was heard.
//! The rate of an idle system says nothing: only that of jobs that had waited counts, and
//! only while the queue is seen to hold some. It is remembered for a while, or each end of
//! a queue would be the start of the next overflow.

use std::{collections::VecDeque, time::Duration};

use quhao_backend::store::{ObservedThroughput, Throughput};
use tokio::time::Instant;

/// How long what was heard counts.
const HEARD_COUNTS: Duration = Duration::from_secs(5);
/// How much of that says how long jobs wait now.
const LATELY: Duration = Duration::from_millis(500);
/// What is heard within this is kept as one.
const SLICE: Duration = Duration::from_millis(100);
/// From how long on jobs wait because the workers have no room for them.
const NOTICEABLE: Duration = Duration::from_millis(200);
/// Nothing less makes a rate.
const RATE_SPAN_MIN: Duration = Duration::from_millis(300);
const RATE_JOBS_MIN: u32 = 5;
/// How long before the queue was first seen to hold jobs it may have begun to.
const UNSEEN: Duration = Duration::from_millis(500);
/// How long the rate counts after the queue was last seen to hold jobs.
const RATE_COUNTS: Duration = Duration::from_secs(30);
/// How long after jobs waited the queue is still asked for its depth.
const BUSY_AFTER: Duration = Duration::from_secs(10);
/// How long a depth counts: it is asked for more often, if that works.
const DEPTH_COUNTS: Duration = Duration::from_secs(3);
/// Jobs that a worker fetches for each one that it works on, at most.
const FETCHED: u32 = 2;
/// The share of a job's life that it may be expected to take: above the first jobs are
/// turned away, below the second they are taken again.
const REFUSE_ABOVE: f64 = 0.85;
const TAKE_BELOW: f64 = 0.7;
/// Jobs of this producer's own that tell its share of all.
const OWN_MIN: u64 = 10;
/// Longest time that is told apart.
const EXPECTED_MAX: Duration = Duration::from_hours(24);

/// What was heard and seen lately. Bounded: slices that are over go.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    slices: VecDeque<ObservedThroughput>,
    /// Jobs that were heard of and that were accepted here, ever.
    so_far: Marks,
    depth: Option<Depth>,
    /// Jobs that ended in a second when the queue last held some, and when that was.
    rate: Option<(Instant, f64)>,
    /// When jobs were last heard to have waited.
    waited_at: Option<Instant>,
    fleet: Fleet,
    /// Jobs with less life than this are turned away.
    bound: Duration,
    /// What `slices` and `depth` come down to, until one of them changes: every submission
    /// asks.
    summary: Option<Summary>,
}

/// What was heard and seen, as one.
#[derive(Debug, Clone, Copy)]
struct Summary {
    lately: Throughput,
    /// When the last of it was heard.
    last: Instant,
    /// How long jobs were worked on, all in all.
    worked: Duration,
    /// Jobs that end in a second while the queue holds some, by its last depth.
    rate: Option<f64>,
}

/// Counts to measure by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    heard: u64,
    accepted: u64,
}

/// What the queue said.
#[derive(Debug, Clone, Copy)]
struct Depth {
    at: Instant,
    jobs: u64,
    marks: Marks,
    /// Since when it was found to hold jobs each time.
    holding_since: Option<Instant>,
}

/// How many jobs all producers put on the queue while this one put its own there. Halved
/// at each measurement that tells.
#[derive(Debug, Default)]
struct Fleet {
    all: f64,
    own: f64,
}

impl Estimate {
    /// A commit was heard of.
    pub(super) fn hear(&mut self, heard: ObservedThroughput) {
        self.expire(heard.at);
        self.summary = None;
        self.so_far.heard += u64::from(heard.throughput.jobs);
        if heard.throughput.waited >= NOTICEABLE {
            self.waited_at = Some(heard.at);
        }
        match self.slices.back_mut() {
            Some(slice) if heard.at.saturating_duration_since(slice.at) < SLICE => {
                slice.throughput = slice.throughput.and(heard.throughput);
            }
            _ => self.slices.push_back(heard),
        }
    }

    /// Commits may have been missed, which would look like slowness.
    pub(super) fn forget(&mut self) {
        self.slices.clear();
        (self.depth, self.summary) = (None, None);
    }

    /// This producer has put a job on the queue.
    pub(super) fn accepted(&mut self) {
        self.so_far.accepted += 1;
    }

    /// To be taken before the queue is asked.
    pub(super) fn marks(&self) -> Marks {
        self.so_far
    }

    /// The queue said that it holds so many jobs.
    pub(super) fn measure(&mut self, now: Instant, marks: Marks, jobs: u64) {
        let before = self.fresh_depth(now).copied();
        if let Some(before) = &before {
            let since = marks.since(before.marks);
            let came = (jobs + since.heard).saturating_sub(before.jobs);
            self.fleet.add(came, since.accepted);
        }
        let since = before.and_then(|before| before.holding_since).unwrap_or(now);
        let holding_since = (jobs > 0).then_some(since);
        let depth = Depth { at: now, jobs, marks, holding_since };
        if let Some(rate) = self.rate(&depth) {
            self.rate = Some((now, rate));
        }
        (self.depth, self.summary) = (Some(depth), None);
    }

    /// Whether jobs wait noticeably, or did a moment ago: then the queue's depth is worth
    /// asking for.
    pub(super) fn is_busy(&self, now: Instant) -> bool {
        self.waited_at.is_some_and(|at| now.saturating_duration_since(at) <= BUSY_AFTER)
    }

    /// Whether a job with `life` before it would be done in time; if not, after how long
    /// it would, as far as one can tell.
    ///
    /// The bound follows what is expected no further than it must: each job sees the two
    /// thresholds of its own life, whatever the lives of those before it.
    pub(super) fn judge(&mut self, now: Instant, life: Duration) -> Result<(), Duration> {
        let Some(expected) = self.expected(now) else {
            self.bound = Duration::ZERO;
            return Ok(());
        };
        let (refused, taken) = (expected.div_f64(REFUSE_ABOVE), expected.div_f64(TAKE_BELOW));
        self.bound = self.bound.clamp(refused, taken);
        if life < self.bound {
            Err(expected.saturating_sub(life.mul_f64(TAKE_BELOW)))
        } else {
            Ok(())
        }
    }

    /// How long from now until a job's outcome; `None` if jobs do not wait, or nothing
    /// tells.
    pub(super) fn expected(&mut self, now: Instant) -> Option<Duration> {
        self.expire(now);
        let Summary { lately, last, worked: work, rate } = self.summary()?;
        let seen = self.fresh_depth(now).and_then(|depth| self.wait(depth, rate, now));
        // Not seen: nobody is let in for as long as those before had waited.
        let as_heard = || lately.waited.saturating_sub(now.saturating_duration_since(last));
        let wait = seen.unwrap_or_else(as_heard);
        if wait < NOTICEABLE {
            return None;
        }
        // What workers have fetched is ahead too, and no part of the depth.
        let fetched = if seen.is_some() { work * FETCHED } else { Duration::ZERO };
        Some((wait + fetched + work).min(EXPECTED_MAX))
    }

    /// How long the queue takes to hand out what it holds; `None` if its speed is not known.
    fn wait(&self, depth: &Depth, rate: Option<f64>, now: Instant) -> Option<Duration> {
        let ahead = self.ahead(depth);
        if ahead < 1.0 {
            return Some(Duration::ZERO);
        }
        let counts = |at| now.saturating_duration_since(at) <= RATE_COUNTS;
        let known = || self.rate.filter(|(at, _)| counts(*at)).map(|(_, rate)| rate);
        let rate = rate.or_else(known)?;
        Some(Duration::try_from_secs_f64(ahead / rate).unwrap_or(EXPECTED_MAX))
    }

    /// Jobs that wait in the queue, going by what has come and gone since it was asked.
    fn ahead(&self, depth: &Depth) -> f64 {
        let since = self.so_far.since(depth.marks);
        let came = float(since.accepted) * self.fleet.share();
        (float(depth.jobs) + came - float(since.heard)).max(0.0)
    }

    /// Jobs that end in a second while the queue holds jobs.
    fn rate(&self, depth: &Depth) -> Option<f64> {
        let since = depth.holding_since?;
        let counts = |slice: &&ObservedThroughput| {
            slice.throughput.waited >= NOTICEABLE
                && since.saturating_duration_since(slice.at) <= UNSEEN
        };
        // From the last one, which is not over yet, back.
        let mut slices = self.slices.iter().rev().take_while(counts);
        let last = slices.next()?.at;
        let (mut jobs, mut first) = (0, last);
        for slice in slices {
            jobs += slice.throughput.jobs;
            first = slice.at;
        }
        let span = last.saturating_duration_since(first);
        let tells = span >= RATE_SPAN_MIN && jobs >= RATE_JOBS_MIN;
        tells.then(|| f64::from(jobs) / span.as_secs_f64())
    }

    fn summary(&mut self) -> Option<Summary> {
        if self.summary.is_none() {
            let all = self.slices.iter().map(|slice| slice.throughput).reduce(Throughput::and);
            self.summary = Some(Summary {
                lately: self.lately()?,
                last: self.slices.back()?.at,
                worked: all?.worked,
                rate: self.depth.as_ref().and_then(|depth| self.rate(depth)),
            });
        }
        self.summary
    }

    /// What the last commits told, as one.
    fn lately(&self) -> Option<Throughput> {
        let last = self.slices.back()?.at;
        let lately = self.slices.iter().rev();
        lately
            .take_while(|slice| last.saturating_duration_since(slice.at) <= LATELY)
            .map(|slice| slice.throughput)
            .reduce(Throughput::and)
    }

    fn fresh_depth(&self, now: Instant) -> Option<&Depth> {
        self.depth.as_ref().filter(|depth| now.saturating_duration_since(depth.at) <= DEPTH_COUNTS)
    }

    fn expire(&mut self, now: Instant) {
        let over =
            |slice: &ObservedThroughput| now.saturating_duration_since(slice.at) > HEARD_COUNTS;
        while self.slices.front().is_some_and(over) {
            self.slices.pop_front();
            self.summary = None;
        }
    }
}

impl Marks {
    fn since(self, earlier: Self) -> Self {
        Self { heard: self.heard - earlier.heard, accepted: self.accepted - earlier.accepted }
    }
}

impl Fleet {
    /// Jobs that are dropped because they are too late go without word: then fewer than
    /// came seem to have come.
    fn add(&mut self, all: u64, own: u64) {
        if own >= OWN_MIN && all >= own {
            self.all = self.all / 2.0 + float(all);
            self.own = self.own / 2.0 + float(own);
        }
    }

    /// Jobs that come for each one that comes here. Producers share the load evenly, and
    /// all of them judge by the same news: what holds here holds there.
    fn share(&self) -> f64 {
        const SHARE_MAX: f64 = 100.0;
        if self.own > 0.0 { (self.all / self.own).min(SHARE_MAX) } else { 1.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of jobs are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod fleet;
#[cfg(test)]
mod tests;
