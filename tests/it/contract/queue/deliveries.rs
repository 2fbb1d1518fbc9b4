//! What the queue does while it works.

use std::{collections::HashMap, sync::Arc, time::Duration};

use quhao_backend::queue::{
    DeadLetterReason, Disposition, Lane, Message, MessageKind, PublishError, Queue, Roles,
};
use quhao_common::domain::id::JobId;
use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, eventually, within},
};
use time::OffsetDateTime;

use crate::contract::fixture::{Fixture, close, take, take_one};

in_both_modes!(
    an_acked_delivery_is_gone,
    a_returned_delivery_comes_again,
    dead_lettered_delivery_never_returns_as_a_job,
    full_queue_refuses_until_there_is_room,
    the_depth_is_what_waits,
    concurrent_publishing_loses_and_doubles_nothing,
    bodies_arrive_bit_by_bit,
    dropping_a_wait_for_deliveries_loses_none,
);

/// Returns a message with any envelope: the queue does not look inside.
pub(crate) fn message(body: &[u8]) -> Message {
    expiring(body, OffsetDateTime::now_utc() + Duration::from_mins(4))
}

/// Creates one that expires.
pub(crate) fn expiring(body: &[u8], expires_at: OffsetDateTime) -> Message {
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    Message {
        id: JobId::from_bytes(rand::random()),
        body: body.to_vec(),
        kind: MessageKind::Job { expires_at, traceparent: Some(traceparent.to_owned()) },
    }
}

pub(crate) async fn publish(queue: &Queue, body: &[u8]) {
    // A link that is still being made is no refusal of this envelope.
    eventually("a publish is taken", PATIENCE, || async {
        match queue.publish(message(body)).await {
            Ok(()) => Some(()),
            Err(PublishError::Unavailable) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
}

/// Asserts that nothing is in front of an envelope that is published just now.
pub(crate) async fn assert_empty(queue: &Queue) {
    let marker = rand::random::<[u8; 16]>();
    publish(queue, &marker).await;
    let delivery = take_one(queue).await;
    assert_eq!(delivery.body, marker, "an earlier delivery is still there");
    delivery.settle(Disposition::Ack);
}

async fn an_acked_delivery_is_gone(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    publish(&backend.queue, b"one").await;
    let delivery = take_one(&backend.queue).await;
    assert_eq!(delivery.body, b"one");
    assert!(!delivery.redelivered, "nobody had it before");
    delivery.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    close(&backend).await;

    let backend = fixture.open_for_both().await;
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn a_returned_delivery_comes_again(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    publish(&backend.queue, b"one").await;
    take_one(&backend.queue).await.settle(Disposition::Requeue);
    let again = take_one(&backend.queue).await;
    assert_eq!(again.body, b"one");
    again.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn dead_lettered_delivery_never_returns_as_a_job(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    publish(&backend.queue, b"nobody can read this").await;
    take_one(&backend.queue).await.settle(Disposition::DeadLetter);
    if mode == Mode::Distributed {
        let dead = take_one(&backend.queue).await;
        assert_eq!(dead.lane, Lane::DeadLetters(DeadLetterReason::Rejected));
        dead.settle(Disposition::Ack);
    }
    assert_empty(&backend.queue).await;
    close(&backend).await;

    let backend = fixture.open_for_both().await;
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn full_queue_refuses_until_there_is_room(mode: Mode) {
    let mut fixture = Fixture::new(mode).await;
    fixture.queue.length_max = 5;
    let producer = fixture.open(Roles { publish: true, prefetch_max: None }).await;
    publish(&producer.queue, &0_u32.to_be_bytes()).await;
    let mut accepted = vec![0];
    let mut refused = false;
    // Some more than the limit may get in before a broker notices.
    for number in 1..200_u32 {
        match producer.queue.publish(message(&number.to_be_bytes())).await {
            Ok(()) => accepted.push(number),
            Err(error) => {
                assert_eq!(error, PublishError::Full);
                refused = true;
                break;
            }
        }
    }
    assert!(refused, "200 envelopes got into a queue of 5");
    assert!(accepted.len() >= 5, "only {} envelopes got into a queue of 5", accepted.len());
    close(&producer).await;

    let backend = fixture.open_for_both().await;
    let mut taken: Vec<u32> = Vec::new();
    while taken.len() < accepted.len() {
        for delivery in take(&backend.queue, 10).await {
            taken.push(u32::from_be_bytes(delivery.body.as_slice().try_into().expect("ours")));
            delivery.settle(Disposition::Ack);
        }
    }
    assert_eq!(taken, accepted, "what was taken was kept, in order, and nothing else");
    eventually("there is room again", PATIENCE, || async {
        backend.queue.publish(message(b"room")).await.ok()
    })
    .await;
    let delivery = take_one(&backend.queue).await;
    assert_eq!(delivery.body, b"room");
    delivery.settle(Disposition::Ack);
    close(&backend).await;
}

async fn the_depth_is_what_waits(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open(Roles { publish: true, prefetch_max: None }).await;
    for number in 0..7_u8 {
        publish(&backend.queue, &[number]).await;
    }
    let depth_is = async |expected: u64| {
        eventually("the depth", PATIENCE, || async {
            (backend.queue.depth().await.ok()? == expected).then_some(())
        })
        .await;
    };
    depth_is(7).await;
    publish(&backend.queue, b"one more").await;
    depth_is(8).await;
    close(&backend).await;
}

async fn concurrent_publishing_loses_and_doubles_nothing(mode: Mode) {
    const PUBLISHERS: u32 = 20;
    const EACH: u32 = 100;
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    let mut takers = vec![Arc::clone(&backend.queue)];
    // A file has one process.
    let second = match mode {
        Mode::Distributed => {
            Some(fixture.open(Roles { publish: false, prefetch_max: Some(50) }).await)
        }
        Mode::Embedded => None,
    };
    takers.extend(second.iter().map(|backend| Arc::clone(&backend.queue)));

    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let queue = Arc::clone(&backend.queue);
        publishers.spawn(async move {
            for number in 0..EACH {
                publish(&queue, &(publisher * EACH + number).to_be_bytes()).await;
            }
        });
    }
    let (seen, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let mut taking = tokio::task::JoinSet::new();
    for queue in takers.clone() {
        let seen = seen.clone();
        taking.spawn(async move {
            while let Some(deliveries) = queue.next(17).await {
                for delivery in deliveries {
                    let _ = seen.send(delivery.body.clone());
                    delivery.settle(Disposition::Ack);
                }
            }
        });
    }
    let mut times = HashMap::<Vec<u8>, u32>::new();
    while times.len() < (PUBLISHERS * EACH) as usize {
        let body = within("all arrive", PATIENCE, arrived.recv()).await.expect("still taking");
        *times.entry(body).or_default() += 1;
    }
    while publishers.join_next().await.is_some() {}
    for queue in &takers {
        queue.stop_consuming().await;
    }
    within("the takers end", PATIENCE, async { while taking.join_next().await.is_some() {} }).await;
    while let Ok(body) = arrived.try_recv() {
        *times.entry(body).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "some were delivered twice");
    for backend in second.iter().chain([&backend]) {
        close(backend).await;
    }

    let backend = fixture.open_for_both().await;
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn bodies_arrive_bit_by_bit(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    let around = |size: usize| [size - 1, size, size + 1];
    let sizes = [around(2), around(256), around(4096), around(1 << 15)].concat();
    for size in sizes.into_iter().chain([1 << 16]) {
        let body: Vec<u8> = (0..size).map(|_| rand::random()).collect();
        publish(&backend.queue, &body).await;
        let delivery = take_one(&backend.queue).await;
        assert!(delivery.body == body, "{size} bytes arrived changed");
        delivery.settle(Disposition::Ack);
    }
    close(&backend).await;
}

async fn dropping_a_wait_for_deliveries_loses_none(mode: Mode) {
    const COUNT: usize = 300;
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    let queue = Arc::clone(&backend.queue);
    let publisher = tokio::spawn(async move {
        for number in 0..COUNT {
            publish(&queue, &number.to_be_bytes()).await;
        }
    });
    let mut taken = Vec::new();
    within("all arrive", PATIENCE, async {
        while taken.len() < COUNT {
            // So short that many of these waits are dropped just when something comes.
            let wait = Duration::from_micros(rand::random::<u64>() % 500);
            let Ok(next) = tokio::time::timeout(wait, backend.queue.next(3)).await else {
                continue;
            };
            for delivery in next.expect("the queue is taking") {
                taken.push(delivery.body.clone());
                delivery.settle(Disposition::Ack);
            }
        }
    })
    .await;
    publisher.await.expect("all were published");
    let expected: Vec<Vec<u8>> = (0..COUNT).map(|number| number.to_be_bytes().to_vec()).collect();
    assert_eq!(taken, expected);
    close(&backend).await;
}
