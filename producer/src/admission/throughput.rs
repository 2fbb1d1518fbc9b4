//! What commits reported in the last seconds. Pure.

use std::{collections::VecDeque, time::Duration};

use quhao_backend::store::{ObservedThroughput, Throughput};
use tokio::time::Instant;

/// Samples older than this are dropped.
pub(super) const SAMPLE_TTL: Duration = Duration::from_secs(5);
/// Samples within this time of the first of a slice are merged into the slice.
const SLICE: Duration = Duration::from_millis(100);
/// The current wait is averaged over this time before the last sample.
pub(super) const RECENT: Duration = Duration::from_millis(500);
/// Jobs that waited less than this count as not waiting: the workers had room for them.
pub(super) const MIN_WAIT: Duration = Duration::from_millis(200);
/// A rate needs samples over this time at least.
const RATE_SPAN_MIN: Duration = Duration::from_millis(300);
/// A rate needs this many jobs at least.
const RATE_JOBS_MIN: u32 = 5;
/// The queue may have held jobs for this long before its depth first showed it.
const DEPTH_LAG: Duration = Duration::from_millis(500);

/// The samples of the last seconds, oldest first. [`SAMPLE_TTL`] and [`SLICE`] bound their
/// number.
#[derive(Debug, Default)]
pub(super) struct RecentThroughput {
    slices: VecDeque<ObservedThroughput>,
}

impl RecentThroughput {
    /// Adds a sample to the last slice, or begins a slice with it.
    pub(super) fn add(&mut self, sample: ObservedThroughput) {
        match self.slices.back_mut() {
            Some(slice) if sample.at.saturating_duration_since(slice.at) < SLICE => {
                slice.throughput = slice.throughput.combine(sample.throughput);
            }
            _ => self.slices.push_back(sample),
        }
    }

    /// Drops every sample.
    pub(super) fn clear(&mut self) {
        self.slices.clear();
    }

    /// Drops samples that are older than [`SAMPLE_TTL`]. Returns whether there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.slices.len();
        while let Some(slice) = self.slices.front()
            && now.saturating_duration_since(slice.at) > SAMPLE_TTL
        {
            self.slices.pop_front();
        }
        self.slices.len() < before
    }

    /// Returns the time of the last slice.
    pub(super) fn last_at(&self) -> Option<Instant> {
        Some(self.slices.back()?.at)
    }

    /// Merges all samples.
    pub(super) fn overall(&self) -> Option<Throughput> {
        self.slices.iter().map(|slice| slice.throughput).reduce(Throughput::combine)
    }

    /// Merges the samples of the [`RECENT`] time, the last first.
    pub(super) fn recent(&self) -> Option<Throughput> {
        let last_at = self.last_at()?;
        self.slices
            .iter()
            .rev()
            .take_while(|slice| last_at.saturating_duration_since(slice.at) <= RECENT)
            .map(|slice| slice.throughput)
            .reduce(Throughput::combine)
    }

    /// Returns how many jobs end in a second while the queue holds jobs, if it has held some
    /// since `holding_since` and the samples suffice to tell.
    ///
    /// The rate of an idle system says nothing, so only jobs that had waited count.
    pub(super) fn rate_per_second(&self, holding_since: Instant) -> Option<f64> {
        let counts = |slice: &&ObservedThroughput| {
            slice.throughput.waited >= MIN_WAIT
                && holding_since.saturating_duration_since(slice.at) <= DEPTH_LAG
        };
        // Backwards from the last slice, whose own jobs do not count: it is not over yet.
        let mut slices = self.slices.iter().rev().take_while(counts);
        let last_at = slices.next()?.at;
        let mut first_at = last_at;
        let mut jobs = 0;
        for slice in slices {
            jobs += slice.throughput.jobs;
            first_at = slice.at;
        }
        let span = last_at.saturating_duration_since(first_at);
        if span < RATE_SPAN_MIN || jobs < RATE_JOBS_MIN {
            return None;
        }
        Some(f64::from(jobs) / span.as_secs_f64())
    }

    /// Returns the number of slices.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slices.len()
    }
}
