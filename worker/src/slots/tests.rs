//! Jobs that wait outside leave room for others, and there is always room to work.

use std::future::pending;

use tokio::task::{JoinHandle, yield_now};

use super::{
    capacity::{waiting_max, waiting_max_per_app},
    *,
};
use crate::platform::Call;

const CONCURRENCY: usize = 16;
const LATER: WaitFor = WaitFor::Call(Call::Exchange);

struct Worker {
    slots: Arc<Slots>,
    draining: CancellationToken,
    waiting: Vec<JoinHandle<Result<Option<()>, Draining>>>,
}

impl Worker {
    fn new() -> Self {
        let draining = CancellationToken::new();
        let slots = Slots::new(CONCURRENCY, draining.clone());
        Self { slots, draining, waiting: Vec::new() }
    }

    /// Makes jobs of `app` wait for `wait_for` until there is no more room for them. Returns how
    /// many do.
    async fn crowd(&mut self, app: &str, wait_for: WaitFor) -> usize {
        let app = AppId::new(app).unwrap();
        for count in 0..=CONCURRENCY {
            let mut slot = self.slots.take().await;
            let app = app.clone();
            let job =
                tokio::spawn(async move { slot.wait_outside(wait_for, &app, pending()).await });
            while !job.is_finished() && self.slots.wait_for_free().await < CONCURRENCY {
                yield_now().await;
            }
            if job.is_finished() {
                assert_eq!(job.await.unwrap(), Ok(None));
                return count;
            }
            self.waiting.push(job);
        }
        panic!("one app fills the whole list");
    }
}

#[tokio::test]
async fn waiting_list_caps_each_app_at_a_quarter() {
    let mut worker = Worker::new();
    let quarter = waiting_max_per_app(CONCURRENCY);
    let mut counts = Vec::new();
    for app in ["a", "b", "c", "d", "e"] {
        counts.push(worker.crowd(app, LATER).await);
    }
    assert_eq!(counts[0], quarter);
    assert!(counts.is_sorted_by(|one, next| one >= next), "{counts:?}");
    assert!(counts.iter().all(|count| *count >= 1), "another finds room: {counts:?}");
    assert!(counts.iter().sum::<usize>() < waiting_max(CONCURRENCY), "{counts:?}");
    // None of them takes room from those that wait for a credential, nor any slot.
    assert_eq!(worker.crowd("a", WaitFor::Credential).await, quarter);
    assert_eq!(worker.slots.wait_for_free().await, CONCURRENCY);
}

#[tokio::test]
async fn exchange_and_redeem_have_separate_waiting_caps() {
    let mut worker = Worker::new();
    let quarter = waiting_max_per_app(CONCURRENCY);
    assert_eq!(worker.crowd("a", WaitFor::Call(Call::Redeem)).await, quarter);
    assert_eq!(worker.crowd("a", LATER).await, quarter);
    assert_eq!(worker.crowd("a", LATER).await, 0);
}

#[tokio::test]
async fn a_drain_ends_every_wait() {
    let mut worker = Worker::new();
    worker.crowd("a", LATER).await;
    worker.draining.cancel();
    for job in worker.waiting.drain(..) {
        assert_eq!(job.await.unwrap(), Err(Draining));
    }
}

#[test]
fn full_waiting_lists_leave_room_to_work() {
    for concurrency in 1..=2000 {
        let held = unsettled_max(concurrency);
        let room = held - 2 * waiting_max(concurrency);
        assert!(room >= concurrency.min(1000), "{concurrency}: {room} with full lists");
        assert!(held <= 2000, "a quorum queue hands out no more to one consumer");
        assert!(waiting_max_per_app(concurrency) <= waiting_max(concurrency).max(1));
    }
}
