//! Quarantine for suspected poison messages.
//!
//! When a worker crashes, every job that it held is redelivered, and the one that crashed it
//! cannot be told from the others. Jobs that were redelivered [`QUARANTINE_AFTER`] times
//! without having been settled therefore run one at a time, each committed before the next
//! begins, beside the other jobs. The culprit then crashes its worker alone until it exceeds
//! the queue's delivery limit; the others finish when they run before it. A job that waits
//! makes way for the next.
//!
//! Most quarantined jobs are innocent: links break and machines go down more often than a job
//! crashes its worker. So each job that finishes allows more concurrency.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use quhao_backend::queue::Lane;
use quhao_common::{domain::id::JobKey, process::metrics};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    job::{received::ReceivedJob, run::Starter},
    settlement::{self, in_flight::InFlight},
    slots::{Slot, Slots},
};

/// Hand-outs without a settlement after which a job is quarantined. Jobs that were with workers
/// that were stopped have fewer, where the broker counts that, too.
pub(crate) const QUARANTINE_AFTER: u32 = 3;

/// How long the first one waits for those that are redelivered with it.
const GATHERING: Duration = Duration::from_millis(250);

/// Returns whether a job that came by this lane is quarantined.
pub(crate) fn is_quarantined(lane: Lane) -> bool {
    matches!(lane, Lane::Jobs { unsettled } if unsettled >= QUARANTINE_AFTER)
}

/// Returns the sort key of a quarantined job that was left `unsettled` so often: the lowest runs
/// first, and that is the least often redelivered.
///
/// The culprit was there at every crash, so those that were there less often run before it.
/// Ties are broken by a hash that reverses on every second attempt. So of any two jobs each
/// runs before the other once in two attempts, and the neighbours of a single culprit finish.
pub(crate) fn order(key: JobKey, unsettled: u32) -> (u32, u64) {
    let key = u64::from_be_bytes(std::array::from_fn(|at| key.as_bytes()[at]));
    let rank = mixed(key, u64::from(unsettled.div_ceil(2)));
    (unsettled, if unsettled.is_multiple_of(2) { !rank } else { rank })
}

/// Returns how many may run at once after `finished` of them did no harm: one, as long as these
/// are few. Later a culprit takes a part of those before it along, at most an eighth.
pub(crate) fn concurrency_after(finished: usize) -> usize {
    1 + finished / 8
}

/// Mixes by the finishing steps of `SplitMix64`: keys are random enough, but their order must
/// change from round to round.
fn mixed(key: u64, round: u64) -> u64 {
    let mut mixed = key.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The quarantined jobs that a worker holds and has not started.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    waiting: Mutex<Vec<ReceivedJob>>,
    arrived: Notify,
}

impl Quarantine {
    /// Admits a job, to be run in its order. Bounded by what the queue hands out.
    pub(crate) fn admit(&self, received: ReceivedJob) {
        self.change(|waiting| waiting.push(received));
        self.arrived.notify_one();
    }

    /// Requeues all that wait, for others to run.
    pub(crate) fn requeue_all(&self, in_flight: &InFlight) {
        for received in self.change(std::mem::take) {
            settlement::requeue_job(in_flight, received.job.id.key(), received.delivery);
        }
    }

    /// Runs the jobs in their order, until `draining`.
    pub(crate) async fn run(
        self: Arc<Self>,
        starter: Starter,
        slots: Arc<Slots>,
        draining: CancellationToken,
    ) {
        draining.run_until_cancelled(self.run_rounds(&starter, &slots)).await;
        self.requeue_all(&starter.in_flight);
    }

    async fn run_rounds(&self, starter: &Starter, slots: &Arc<Slots>) {
        loop {
            self.arrived.notified().await;
            sleep(GATHERING).await;
            self.run_round(starter, slots).await;
        }
    }

    /// Runs jobs until none waits.
    async fn run_round(&self, starter: &Starter, slots: &Arc<Slots>) {
        let mut running = FuturesUnordered::new();
        let mut finished = 0;
        loop {
            let has_waiting = !self.waiting().is_empty();
            if has_waiting && running.len() < concurrency_after(finished) {
                let slot = slots.take().await;
                // None if they were requeued meanwhile.
                if let Some(ended) = self.start_next(starter, slot) {
                    running.push(ended);
                }
            } else if running.next().await.is_some() {
                finished += 1;
            } else {
                return;
            }
        }
    }

    /// Starts the next job. Returns a future that ends when the job ends or waits.
    fn start_next(
        &self,
        starter: &Starter,
        slot: Slot,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let received = self.change(take_next)?;
        let ended = CancellationToken::new();
        starter.start(received, slot.in_quarantine(ended.clone().drop_guard()));
        Some(ended.cancelled_owned())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<ReceivedJob>) -> T) -> T {
        let mut waiting = self.waiting();
        let changed = change(&mut waiting);
        metrics::quarantined_jobs(waiting.len());
        changed
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<ReceivedJob>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out the job that runs next.
fn take_next(waiting: &mut Vec<ReceivedJob>) -> Option<ReceivedJob> {
    let orders = waiting.iter().map(|received| match received.delivery.lane {
        Lane::Jobs { unsettled } => order(received.job.id.key(), unsettled),
        Lane::Outcomes | Lane::DeadLetters(_) => (0, 0),
    });
    let (at, _) = orders.enumerate().min_by_key(|(_, order)| *order)?;
    Some(waiting.swap_remove(at))
}

#[cfg(test)]
mod tests;
