//! Jobs that may be what ends workers: worked on one at a time, each committed before the
//! next begins, while others go on beside them. One that waits makes way for the next.
//!
//! A worker that crashes leaves everything that it held unsettled, so the one job that is to
//! blame and its neighbours come back together and look alike. Alone, the one ends its worker
//! alone, until it is over the delivery limit; each of its neighbours is done when its turn
//! comes before.
//!
//! Most suspects are innocent: links break and machines go down more often than a job takes
//! its worker with it. So those that did no harm make way for more at a time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use quhao_backend::queue::{Delivery, Disposition, Lane};
use quhao_common::{domain::id::JobKey, process::metrics};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Taken,
    job::run::Starter,
    settlement::in_flight::InFlight,
    slots::{Slot, Slots},
};

/// Hand-outs without an end after which a job is suspect. Fewer are met by jobs that were
/// with workers that were stopped, where the broker counts that, too.
pub const SUSPECT_AFTER: u32 = 3;

/// How long the first one waits for those that come back with it.
const GATHER: Duration = Duration::from_millis(250);

/// Whether a job that came this way is suspect.
pub fn is_suspect(lane: Lane) -> bool {
    matches!(lane, Lane::Jobs { unsettled } if unsettled >= SUSPECT_AFTER)
}

/// When it is the turn of a job that was left unsettled so often: the lowest is first.
///
/// Whoever ends workers was there each time, so those that were there less often go first.
/// Among equals the order is any, and every second time it is that of the time before
/// turned round. So of two jobs each has gone before the other after two times, and the
/// neighbours of a single culprit are done.
pub fn turn(key: JobKey, unsettled: u32) -> (u32, u64) {
    let key = u64::from_be_bytes(std::array::from_fn(|at| key.as_bytes()[at]));
    let place = mixed(key, u64::from(unsettled.div_ceil(2)));
    (unsettled, if unsettled.is_multiple_of(2) { !place } else { place })
}

/// How many may be worked on at once when so many were done without harm: as long as these
/// are few, one. Later a culprit takes a part of those before it along, at most an eighth.
pub fn at_once(done: usize) -> usize {
    1 + done / 8
}

/// The finishing steps of `SplitMix64`: keys are random enough, but their order must change.
fn mixed(key: u64, round: u64) -> u64 {
    let mut mixed = key.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The suspects that a worker holds and has not begun to work on.
#[derive(Debug, Default)]
pub struct Suspects {
    waiting: Mutex<Vec<(Taken, Delivery)>>,
    arrived: Notify,
}

impl Suspects {
    /// Has a job wait for its turn. Bounded by what the queue hands out.
    pub fn admit(&self, taken: Taken, delivery: Delivery) {
        self.change(|waiting| waiting.push((taken, delivery)));
        self.arrived.notify_one();
    }

    /// Leaves all that wait to others.
    pub fn give_back(&self, in_flight: &InFlight) {
        for (taken, delivery) in self.change(std::mem::take) {
            in_flight.settle(taken.job.id.key(), delivery, Disposition::Requeue);
        }
    }

    /// Has them worked on in their turns, until `draining`.
    pub async fn run(
        self: Arc<Self>,
        starter: Starter,
        slots: Arc<Slots>,
        draining: CancellationToken,
    ) {
        draining.run_until_cancelled(self.work(&starter, &slots)).await;
        self.give_back(&starter.in_flight);
    }

    async fn work(&self, starter: &Starter, slots: &Arc<Slots>) {
        loop {
            self.arrived.notified().await;
            sleep(GATHER).await;
            let (mut begun, mut done) = (FuturesUnordered::new(), 0);
            loop {
                let waiting = !self.waiting().is_empty();
                if waiting && begun.len() < at_once(done) {
                    begun.extend(self.start_next(starter, slots.take().await));
                } else if begun.next().await.is_some() {
                    done += 1;
                } else {
                    break;
                }
            }
        }
    }

    /// Starts the one whose turn it is; what is given back ends with it.
    fn start_next(
        &self,
        starter: &Starter,
        slot: Slot,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let (taken, delivery) = self.change(next)?;
        let done = CancellationToken::new();
        starter.start(taken, delivery, slot.alone(done.clone().drop_guard()));
        Some(done.cancelled_owned())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<(Taken, Delivery)>) -> T) -> T {
        let mut waiting = self.waiting();
        let changed = change(&mut waiting);
        metrics::suspects(waiting.len());
        changed
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Taken, Delivery)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes out the one whose turn it is.
fn next(waiting: &mut Vec<(Taken, Delivery)>) -> Option<(Taken, Delivery)> {
    let turns = waiting.iter().map(|(taken, delivery)| match delivery.lane {
        Lane::Jobs { unsettled } => turn(taken.job.id.key(), unsettled),
        Lane::Outcomes | Lane::DeadLetters(_) => (0, 0),
    });
    let (at, _) = turns.enumerate().min_by_key(|(_, turn)| *turn)?;
    Some(waiting.swap_remove(at))
}
