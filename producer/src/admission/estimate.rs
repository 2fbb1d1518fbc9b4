//! How long a job that is submitted now will take to its outcome. Pure.
//!
//! Reports lag behind: under a growing queue, jobs that end now waited less than jobs that
//! come now will. So the queue's depth is divided by the rate at which jobs end. The rate of
//! an idle system says nothing: only the rate of jobs that had waited counts, and only while
//! the queue is seen to hold some. It is remembered for a while, or each end of a queue would
//! be the start of the next overflow.

use std::time::Duration;

use quhao_backend::store::{ObservedThroughput, Throughput};
use tokio::time::Instant;

use super::{
    depth::{Depth, Totals, float},
    producer_share::ProducerShare,
    throughput::{MIN_WAIT, RecentThroughput},
};

#[cfg(test)]
mod tests;

/// The queue's depth is asked for until this time after jobs last waited.
const BUSY_TTL: Duration = Duration::from_secs(10);
/// A depth counts for this long: it is asked for more often, if that works.
const DEPTH_TTL: Duration = Duration::from_secs(3);
/// A rate counts for this long after the queue was last seen to hold jobs.
const RATE_TTL: Duration = Duration::from_secs(30);
/// A worker fetches at most this many jobs for each one that it works on.
pub(super) const FETCHED_PER_SLOT: u32 = 2;
/// Jobs are refused when they are expected to take more than this share of their time.
const REFUSE_ABOVE: f64 = 0.85;
/// Jobs are admitted again when they are expected to take less than this share of their time.
const ADMIT_BELOW: f64 = 0.7;
/// Longest time that is expected; beyond it all are alike.
const EXPECTED_MAX: Duration = Duration::from_hours(24);

/// What commits and the queue reported lately, and the thresholds of admission.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    throughput: RecentThroughput,
    totals: Totals,
    depth: Option<Depth>,
    /// The last rate that was known while the queue held jobs.
    last_rate: Option<LastRate>,
    /// When a commit last reported jobs that had waited.
    waited_at: Option<Instant>,
    producer_share: ProducerShare,
    /// Jobs with less time than this until their deadline are refused.
    refused_below: Duration,
    /// What `throughput` and `depth` come down to, until one of them changes: every
    /// submission needs it.
    summary: Option<Summary>,
}

/// A rate, and when it was calculated.
#[derive(Debug, Clone, Copy)]
struct LastRate {
    at: Instant,
    per_second: f64,
}

/// What was reported lately, as one.
#[derive(Debug, Clone, Copy)]
struct Summary {
    /// The throughput of the last commits.
    recent: Throughput,
    /// When the last of them was observed.
    last_at: Instant,
    /// Time from being taken to the outcome, averaged over all that was reported.
    worked: Duration,
    /// Jobs that end in a second while the queue holds jobs, by its last depth.
    rate_per_second: Option<f64>,
}

impl Estimate {
    /// Adds what a commit reported.
    pub(super) fn add(&mut self, sample: ObservedThroughput) {
        self.expire(sample.at);
        self.summary = None;
        self.totals.finished += u64::from(sample.throughput.jobs);
        if sample.throughput.waited >= MIN_WAIT {
            self.waited_at = Some(sample.at);
        }
        self.throughput.add(sample);
    }

    /// Forgets the last seconds: reports may have been missed, which would look like slow
    /// workers.
    pub(super) fn forget(&mut self) {
        self.throughput.clear();
        self.depth = None;
        self.summary = None;
    }

    /// Counts a job that this producer has put on the queue.
    pub(super) fn count_accepted(&mut self) {
        self.totals.accepted += 1;
    }

    /// Returns the totals, to be read before the queue is asked for its depth.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Adds the queue's depth. `totals` are those before the queue was asked.
    pub(super) fn add_depth(&mut self, now: Instant, totals: Totals, jobs: u64) {
        let before = self.fresh_depth(now).copied();
        if let Some(before) = &before {
            let since = totals.since(before.totals);
            let arrived = (jobs + since.finished).saturating_sub(before.jobs);
            self.producer_share.add(arrived, since.accepted);
        }
        let holding_since = if jobs > 0 {
            Some(before.and_then(|before| before.holding_since).unwrap_or(now))
        } else {
            None
        };
        let depth = Depth { at: now, jobs, totals, holding_since };
        if let Some(per_second) = self.rate_per_second(&depth) {
            self.last_rate = Some(LastRate { at: now, per_second });
        }
        self.depth = Some(depth);
        self.summary = None;
    }

    /// Returns whether jobs wait, or did shortly before `now`: then the queue's depth is
    /// worth asking for.
    pub(super) fn is_busy(&self, now: Instant) -> bool {
        self.waited_at.is_some_and(|at| now.saturating_duration_since(at) <= BUSY_TTL)
    }

    /// Admits a job with this much time until its deadline. Fails with the time after which
    /// the job would be admitted, as far as one can tell.
    ///
    /// `refused_below` follows the expected time no further than it must: each job meets the
    /// two thresholds of its own time, whatever the times of those before it.
    pub(super) fn admit(&mut self, now: Instant, time_left: Duration) -> Result<(), Duration> {
        let Some(expected) = self.expected(now) else {
            self.refused_below = Duration::ZERO;
            return Ok(());
        };
        let lowest = expected.div_f64(REFUSE_ABOVE);
        let highest = expected.div_f64(ADMIT_BELOW);
        self.refused_below = self.refused_below.clamp(lowest, highest);
        if time_left < self.refused_below {
            return Err(expected.saturating_sub(time_left.mul_f64(ADMIT_BELOW)));
        }
        Ok(())
    }

    /// Returns the time from `now` to a job's outcome; `None` if jobs do not wait, or if
    /// there is nothing to tell by.
    pub(super) fn expected(&mut self, now: Instant) -> Option<Duration> {
        self.expire(now);
        let summary = self.summary()?;
        let by_depth = self
            .fresh_depth(now)
            .and_then(|depth| self.wait_by_depth(depth, summary.rate_per_second, now));
        let wait = by_depth.unwrap_or_else(|| {
            // Without a depth, no job is let in for as long as the last ones had waited.
            summary.recent.waited.saturating_sub(now.saturating_duration_since(summary.last_at))
        });
        if wait < MIN_WAIT {
            return None;
        }
        // Jobs that workers have fetched are ahead, too, and are not part of the depth.
        let fetched =
            if by_depth.is_some() { summary.worked * FETCHED_PER_SLOT } else { Duration::ZERO };
        Some((wait + fetched + summary.worked).min(EXPECTED_MAX))
    }

    /// Returns how long the queue takes to hand out what it holds; `None` if its speed is not
    /// known.
    fn wait_by_depth(
        &self,
        depth: &Depth,
        rate_per_second: Option<f64>,
        now: Instant,
    ) -> Option<Duration> {
        let jobs_ahead = self.jobs_ahead(depth);
        if jobs_ahead < 1.0 {
            return Some(Duration::ZERO);
        }
        let rate_per_second = rate_per_second.or_else(|| self.remembered_rate(now))?;
        let wait = Duration::try_from_secs_f64(jobs_ahead / rate_per_second);
        Some(wait.unwrap_or(EXPECTED_MAX))
    }

    /// Returns the last known rate, if it still counts.
    fn remembered_rate(&self, now: Instant) -> Option<f64> {
        let last = self.last_rate?;
        (now.saturating_duration_since(last.at) <= RATE_TTL).then_some(last.per_second)
    }

    /// Returns how many jobs wait in the queue, given what came and went since its depth was
    /// asked for.
    fn jobs_ahead(&self, depth: &Depth) -> f64 {
        let since = self.totals.since(depth.totals);
        let arrived = float(since.accepted) * self.producer_share.jobs_for_each_own();
        (float(depth.jobs) + arrived - float(since.finished)).max(0.0)
    }

    /// Returns how many jobs end in a second while the queue holds jobs.
    fn rate_per_second(&self, depth: &Depth) -> Option<f64> {
        self.throughput.rate_per_second(depth.holding_since?)
    }

    /// Returns the summary, calculated anew if something has changed.
    fn summary(&mut self) -> Option<Summary> {
        if self.summary.is_none() {
            self.summary = Some(Summary {
                recent: self.throughput.recent()?,
                last_at: self.throughput.last_at()?,
                worked: self.throughput.overall()?.worked,
                rate_per_second: self.depth.as_ref().and_then(|depth| self.rate_per_second(depth)),
            });
        }
        self.summary
    }

    /// Returns the last depth, if it still counts.
    fn fresh_depth(&self, now: Instant) -> Option<&Depth> {
        self.depth.as_ref().filter(|depth| now.saturating_duration_since(depth.at) <= DEPTH_TTL)
    }

    /// Drops samples that no longer count.
    fn expire(&mut self, now: Instant) {
        if self.throughput.expire(now) {
            self.summary = None;
        }
    }
}
