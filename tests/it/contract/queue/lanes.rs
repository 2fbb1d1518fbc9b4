//! The ways by which deliveries come: as jobs, as outcomes of other workers, as what was set
//! aside.

use std::time::Duration;

use quhao_backend::queue::{
    DeadLetterReason, Delivery, Depths, Disposition, Lane, PublishError, Queue, Roles,
};
use quhao_common::domain::id::JobId;
use quhao_tests::{
    broker,
    config::Mode,
    in_both_modes, services,
    wait::{PATIENCE, eventually},
};
use time::OffsetDateTime;

use super::deliveries::{assert_empty, expiring, publish};
use crate::contract::fixture::{Fixture, close, take, take_one};

in_both_modes!(
    a_job_says_how_often_it_was_left_unsettled,
    job_redelivered_too_often_is_dead_lettered,
    what_nobody_takes_in_time_comes_as_a_dead_one,
    outcomes_are_kept_by_the_queue_without_a_store,
);

/// Waits for exactly these numbers.
async fn waiting(queue: &Queue, expected: Depths) {
    let mut found = None;
    let waiting = async {
        while found != Some(expected) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            found = queue.depths().await.ok();
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(came.is_ok(), "{found:?} and not {expected:?}");
}

/// Publishes from a process that consumes nothing.
async fn publish_alone(fixture: &Fixture, body: &[u8]) {
    let producer = fixture.open(Roles { publish: true, prefetch_max: None }).await;
    publish(&producer.queue, body).await;
    close(&producer).await;
}

/// Takes a delivery and closes before it is settled, as a worker that crashes.
async fn crash_with_one(fixture: &Fixture) -> Lane {
    let backend = fixture.open_for_both().await;
    let delivery = take_one(&backend.queue).await;
    let lane = delivery.lane;
    close(&backend).await;
    drop(delivery);
    lane
}

async fn hand_over(queue: &Queue, body: &[u8]) {
    let id = JobId::from_bytes(rand::random());
    eventually("an outcome is taken", PATIENCE, async || {
        match queue.hand_over(id, body.to_vec()).await {
            Ok(()) => Some(()),
            Err(PublishError::Unavailable) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
}

/// Takes so many deliveries.
async fn take_all(queue: &Queue, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.extend(take(queue, count - taken.len()).await);
    }
    taken
}

async fn a_job_says_how_often_it_was_left_unsettled(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    publish_alone(&fixture, b"one").await;
    for unsettled in 0..4 {
        assert_eq!(crash_with_one(&fixture).await, Lane::Jobs { unsettled });
    }
    let backend = fixture.open_for_both().await;
    take_one(&backend.queue).await.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn job_redelivered_too_often_is_dead_lettered(mode: Mode) {
    let mut fixture = Fixture::new(mode).await;
    fixture.queue.delivery_limit = 2;
    publish_alone(&fixture, b"it breaks whoever takes it").await;
    for unsettled in 0..=2 {
        assert_eq!(crash_with_one(&fixture).await, Lane::Jobs { unsettled });
    }
    let backend = fixture.open_for_both().await;
    let dead = take_one(&backend.queue).await;
    assert_eq!(dead.lane, Lane::DeadLetters(DeadLetterReason::DeliveryLimit));
    assert_eq!(dead.body, b"it breaks whoever takes it");
    dead.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    waiting(&backend.queue, Depths::default()).await;
    close(&backend).await;
}

async fn what_nobody_takes_in_time_comes_as_a_dead_one(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let producer = fixture.open(Roles { publish: true, prefetch_max: None }).await;
    publish(&producer.queue, b"first").await;
    let too_late = OffsetDateTime::now_utc() + Duration::from_millis(300);
    let short = expiring(b"too late", too_late);
    eventually("a publish is taken", PATIENCE, async || {
        producer.queue.publish(short.clone()).await.ok()
    })
    .await;
    eventually("it is over", PATIENCE, async || {
        (OffsetDateTime::now_utc() > too_late + Duration::from_millis(100)).then_some(())
    })
    .await;
    close(&producer).await;

    // A broker looks only at the head.
    let backend = fixture.open_for_both().await;
    let mut taken = take_all(&backend.queue, 2).await;
    taken.sort_by_key(|delivery| matches!(delivery.lane, Lane::DeadLetters(_)));
    let dead = taken.pop().expect("two");
    assert_eq!(
        (dead.lane, &dead.body[..]),
        (Lane::DeadLetters(DeadLetterReason::Expired), &b"too late"[..])
    );
    let job = taken.pop().expect("one");
    assert_eq!((job.lane, &job.body[..]), (Lane::Jobs { unsettled: 0 }, &b"first"[..]));
    job.settle(Disposition::Ack);
    dead.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    waiting(&backend.queue, Depths::default()).await;
    close(&backend).await;
}

async fn outcomes_are_kept_by_the_queue_without_a_store(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open(Roles { publish: true, prefetch_max: None }).await;
    if mode == Mode::Embedded {
        assert!(!backend.queue.can_hand_over());
        let refused = backend.queue.hand_over(JobId::from_bytes([1; 25]), vec![1]).await;
        assert_eq!(refused, Err(PublishError::Unavailable), "it lies beside the store");
        return close(&backend).await;
    }
    assert!(backend.queue.can_hand_over());
    hand_over(&backend.queue, b"an outcome").await;
    publish(&backend.queue, b"a job").await;
    waiting(&backend.queue, Depths { jobs: 1, outcomes: 1, ..Depths::default() }).await;
    assert_eq!(backend.queue.depth().await.expect("a depth"), 1, "an outcome is no job");
    close(&backend).await;

    let backend = fixture.open_for_both().await;
    let mut taken = take_all(&backend.queue, 2).await;
    taken.sort_by_key(|delivery| delivery.lane == Lane::Outcomes);
    let outcome = taken.pop().expect("two");
    assert_eq!((outcome.lane, &outcome.body[..]), (Lane::Outcomes, &b"an outcome"[..]));
    outcome.settle(Disposition::Ack);
    taken.pop().expect("one").settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    waiting(&backend.queue, Depths::default()).await;
    close(&backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_job_arrives_once_as_a_dead_letter() {
    let fixture = Fixture::new(Mode::Distributed).await;
    let backend = fixture.open_for_both().await;
    publish(&backend.queue, b"a job").await;
    hand_over(&backend.queue, b"an outcome").await;
    for delivery in take_all(&backend.queue, 2).await {
        assert!(!matches!(delivery.lane, Lane::DeadLetters(_)), "{:?}", delivery.lane);
        delivery.settle(Disposition::DeadLetter);
    }
    let mut bodies = Vec::new();
    for delivery in take_all(&backend.queue, 2).await {
        assert_eq!(delivery.lane, Lane::DeadLetters(DeadLetterReason::Rejected));
        bodies.push(delivery.body.clone());
        delivery.settle(Disposition::DeadLetter);
    }
    bodies.sort();
    assert_eq!(bodies, [&b"a job"[..], b"an outcome"]);
    assert_empty(&backend.queue).await;
    waiting(&backend.queue, Depths::default()).await;
    close(&backend).await;
}

/// What was fetched and not handed out goes back, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pausing_and_stopping_requeue_every_lane() {
    let fixture = Fixture::new(Mode::Distributed).await;
    let backend = fixture.open_for_both().await;
    let queue = &backend.queue;
    for body in [b"dead 1", b"dead 2"] {
        publish(queue, body).await;
        take_one(queue).await.settle(Disposition::DeadLetter);
    }
    // Those that are out can be settled all the while, and do not come a second time.
    let mut dead = take_all(queue, 2).await;
    publish(queue, b"job 0").await;
    let job = take_one(queue).await;
    queue.pause_consuming().await;
    for body in [b"job 1", b"job 2", b"job 3"] {
        publish(queue, body).await;
    }
    hand_over(queue, b"outcome").await;
    waiting(queue, Depths { jobs: 3, outcomes: 1, ..Depths::default() }).await;
    dead.remove(0).settle(Disposition::Requeue);
    let all = Depths { jobs: 3, outcomes: 1, dead_letters: 1, ..Depths::default() };
    waiting(queue, all).await;
    queue.resume_consuming();
    waiting(queue, Depths::default()).await;
    queue.pause_consuming().await;
    waiting(queue, all).await;
    queue.resume_consuming();
    waiting(queue, Depths::default()).await;
    // Outcomes go before all that has come by now.
    let outcome = take_one(queue).await;
    assert_eq!(outcome.lane, Lane::Outcomes);
    queue.stop_consuming().await;
    waiting(queue, Depths { outcomes: 0, ..all }).await;
    for delivery in [outcome, job, dead.remove(0)] {
        delivery.settle(Disposition::Ack);
    }
    close(&backend).await;

    let backend = fixture.open_for_both().await;
    for delivery in take_all(&backend.queue, 4).await {
        assert!(delivery.redelivered || matches!(delivery.lane, Lane::Jobs { .. }));
        delivery.settle(Disposition::Ack);
    }
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_declared_differently_are_used_as_they_are() {
    let fixture = Fixture::new(Mode::Distributed).await;
    for queue in &fixture.queues()[2..] {
        broker::declare_plain(&services::amqp_url(), queue).await;
    }
    let backend = fixture.open_for_both().await;
    hand_over(&backend.queue, b"outcome").await;
    let outcome = take_one(&backend.queue).await;
    assert_eq!(outcome.lane, Lane::Outcomes);
    outcome.settle(Disposition::Ack);
    publish(&backend.queue, b"job").await;
    take_one(&backend.queue).await.settle(Disposition::DeadLetter);
    let dead = take_one(&backend.queue).await;
    assert_eq!(dead.lane, Lane::DeadLetters(DeadLetterReason::Rejected));
    dead.settle(Disposition::Ack);
    waiting(&backend.queue, Depths::default()).await;
    close(&backend).await;
}
