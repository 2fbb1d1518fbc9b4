//! Several jobs in one message of the broker: each is taken and settled like any other.

use std::{collections::BTreeSet, sync::Arc};

use quhao_backend::{
    backend::Backend,
    queue::{DeadLetterReason, Delivery, Disposition, Lane, LinkStatus, Queue, Roles},
};
use quhao_tests::{
    broker,
    config::Mode,
    services,
    wait::{PATIENCE, eventually},
};
use tokio::task::JoinSet;

use super::deliveries::{assert_empty, message, publish};
use crate::contract::fixture::{Fixture, close, take};

const JOBS: u32 = 64;

/// Creates a fixture whose connection is up.
async fn fixture() -> Fixture {
    Fixture::new(Mode::Distributed).await
}

/// Publishes them side by side, as requests do that come together.
async fn publish_at_once(queue: &Arc<Queue>, jobs: u32) {
    let mut publishing = JoinSet::new();
    for number in 0..jobs {
        let queue = Arc::clone(queue);
        publishing.spawn(async move { queue.publish(message(&number.to_be_bytes())).await });
    }
    for published in publishing.join_all().await {
        published.expect("a queue that takes them");
    }
}

/// Opens a queue that is connected and empty.
async fn open(fixture: &Fixture, prefetch_max: u16) -> Backend {
    let backend = fixture.open(Roles { publish: true, prefetch_max: Some(prefetch_max) }).await;
    assert_empty(&backend.queue).await;
    backend
}

/// Returns how many messages wait at the broker.
async fn messages(fixture: &Fixture) -> u32 {
    broker::ready(&services::amqp_url(), &fixture.queues()[..1]).await.expect("a queue")
}

/// Returns the next `count` deliveries.
async fn take_all(queue: &Queue, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(take(queue, count - taken.len()).await);
    }
    taken
}

fn ack(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.settle(Disposition::Ack);
    }
}

fn number(delivery: &Delivery) -> u32 {
    u32::from_be_bytes(delivery.body.as_slice().try_into().expect("ours"))
}

fn numbers(deliveries: &[Delivery]) -> BTreeSet<u32> {
    deliveries.iter().map(number).collect()
}

#[tokio::test]
async fn jobs_submitted_together_share_messages() {
    let fixture = fixture().await;
    let worker = open(&fixture, 100).await;
    worker.queue.pause_consuming().await;
    publish_at_once(&worker.queue, JOBS).await;
    let waiting = messages(&fixture).await;
    assert!(waiting < JOBS / 2, "{waiting} messages for {JOBS} jobs");
    let depth = worker.queue.depth().await.expect("a depth");
    assert!(depth > u64::from(waiting), "the depth counts jobs: {depth} of {JOBS}");

    worker.queue.resume_consuming();
    let taken = take_all(&worker.queue, JOBS as usize).await;
    assert_eq!(numbers(&taken), (0..JOBS).collect());
    ack(taken);
    assert_empty(&worker.queue).await;
    close(&worker).await;
}

#[tokio::test]
async fn message_is_acked_once_all_its_jobs_are_settled() {
    let fixture = fixture().await;
    let worker = open(&fixture, 100).await;
    publish_at_once(&worker.queue, JOBS).await;
    let mut taken = take_all(&worker.queue, JOBS as usize).await;
    let kept = taken.pop().expect("64");
    let kept_number = number(&kept);
    ack(taken);
    // Like a worker that ends: what it has not settled goes to the next.
    close(&worker).await;
    drop(kept);

    let worker = fixture.open_for_both().await;
    let mut again = Vec::new();
    while !numbers(&again).contains(&kept_number) {
        again.extend(take(&worker.queue, JOBS as usize).await);
    }
    assert!(again.len() < JOBS as usize / 2, "{} came again for one", again.len());
    assert!(again.iter().all(|delivery| delivery.redelivered));
    ack(again);
    assert_empty(&worker.queue).await;
    close(&worker).await;
}

#[tokio::test]
async fn requeued_or_dead_lettered_job_moves_its_message() {
    for (disposition, lane) in [
        (Disposition::Requeue, None),
        (Disposition::DeadLetter, Some(Lane::DeadLetters(DeadLetterReason::Rejected))),
    ] {
        let fixture = fixture().await;
        let worker = open(&fixture, 100).await;
        publish_at_once(&worker.queue, JOBS).await;
        let mut taken = take_all(&worker.queue, JOBS as usize).await;
        let odd = taken.pop().expect("64");
        let odd_number = number(&odd);
        odd.settle(disposition);
        ack(taken);
        let mut again = Vec::new();
        while !numbers(&again).contains(&odd_number) {
            again.extend(take(&worker.queue, JOBS as usize).await);
        }
        assert!(again.len() < JOBS as usize / 2, "{} came again for one", again.len());
        if let Some(lane) = lane {
            assert!(again.iter().all(|delivery| delivery.lane == lane), "{disposition:?}");
        }
        ack(again);
        assert_empty(&worker.queue).await;
        close(&worker).await;
    }
}

#[tokio::test]
async fn prefetch_is_bounded_in_jobs_not_in_messages() {
    const HELD_MAX: u16 = 32;
    let fixture = fixture().await;
    let producer = open(&fixture, 1).await;
    producer.queue.stop_consuming().await;
    publish_at_once(&producer.queue, 256).await;
    let before = messages(&fixture).await;
    assert!(before < 64, "{before} messages");

    let worker = fixture.open(Roles { publish: true, prefetch_max: Some(HELD_MAX) }).await;
    let held = take(&worker.queue, 1).await;
    // Two messages are 32 jobs, if they are full.
    assert!(before - messages(&fixture).await <= 2);
    let mut done = held.len();
    ack(held);
    while done < 256 {
        let taken = take(&worker.queue, usize::from(HELD_MAX)).await;
        done += taken.len();
        ack(taken);
    }

    for number in 0..100_u32 {
        publish(&producer.queue, &number.to_be_bytes()).await;
    }
    eventually("as many single jobs are held as may be", PATIENCE, async || {
        (messages(&fixture).await == 100 - u32::from(HELD_MAX)).then_some(())
    })
    .await;
    close(&worker).await;
    close(&producer).await;
}

#[tokio::test]
async fn waiting_jobs_leave_room_for_their_batch() {
    let fixture = fixture().await;
    let worker = open(&fixture, 32).await;
    publish_at_once(&worker.queue, 256).await;
    // About one of each message: as many messages as may be sent if all are full.
    let (mut waiting, mut done) = (Vec::new(), BTreeSet::new());
    while done.len() < 256 {
        for delivery in take(&worker.queue, 32).await {
            done.insert(number(&delivery));
            if done.len() % 16 == 0 && waiting.len() < 12 {
                waiting.push(delivery);
            } else {
                delivery.settle(Disposition::Ack);
            }
        }
    }
    ack(waiting);
    assert_empty(&worker.queue).await;
    close(&worker).await;
}

#[tokio::test]
async fn pause_of_a_consumer_survives_settlements() {
    let fixture = fixture().await;
    // One message at first: with the first delivery all that may be sent are out.
    let worker = open(&fixture, 16).await;
    publish(&worker.queue, b"held").await;
    let held = take(&worker.queue, 1).await;
    worker.queue.pause_consuming().await;
    for number in 0..5_u32 {
        publish(&worker.queue, &number.to_be_bytes()).await;
    }
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
    while tokio::time::Instant::now() < until {
        assert_eq!(messages(&fixture).await, 5, "something was fetched");
    }
    worker.queue.resume_consuming();
    eventually("deliveries come again", PATIENCE, async || {
        (worker.queue.consuming() == LinkStatus::Up).then_some(())
    })
    .await;
    ack(take_all(&worker.queue, 5).await);
    ack(held);
    close(&worker).await;
}
