use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::SqliteQueue;
use crate::{
    queue::{
        delivery::{Delivery, Disposition},
        error::PublishError,
        message::Message,
        status::Roles,
    },
    sqlite_file::{Database, scratch::Scratch},
};
use quhao_common::{
    config::{self, QueueUrl},
    domain::id::JobId,
};

mod dead;
mod killed;

const LIMIT: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const SILENCE: Duration = Duration::from_millis(150);

fn settings(path: &Path) -> config::Queue {
    config::Queue {
        url: QueueUrl::Sqlite(path.to_owned()),
        prefix: "quhao".to_owned(),
        confirm_timeout: LIMIT,
        publish_window: 5000,
        heartbeat: LIMIT,
        connect_timeout: LIMIT,
        length_max: 10_000,
        delivery_limit: 20,
    }
}

async fn opened(path: &Path, change: impl FnOnce(&mut config::Queue)) -> SqliteQueue {
    opened_as(path, Roles { publish: true, prefetch_max: Some(64) }, change).await
}

async fn opened_as(
    path: &Path,
    roles: Roles,
    change: impl FnOnce(&mut config::Queue),
) -> SqliteQueue {
    let database = Database::open(path).await.unwrap();
    database.migrate().await.unwrap();
    let mut settings = settings(path);
    change(&mut settings);
    SqliteQueue::open(database, &settings, roles)
}

fn message(number: u16) -> Message {
    let mut id = [0; 25];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    Message {
        id: JobId::from_bytes(id),
        body: number.to_be_bytes().to_vec(),
        expires_at: OffsetDateTime::now_utc() + time::Duration::minutes(5),
        traceparent: None,
    }
}

fn number(delivery: &Delivery) -> u16 {
    u16::from_be_bytes(delivery.body.clone().try_into().unwrap())
}

/// At least `count` deliveries, or all that come before it gets silent.
async fn taken(queue: &SqliteQueue, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let next = tokio::time::timeout(LIMIT, queue.next(100)).await;
        assert!(next.is_ok(), "{} of {count} came", deliveries.len());
        deliveries.extend(next.unwrap().expect("not stopped"));
    }
    deliveries
}

async fn nothing_comes(queue: &SqliteQueue) {
    assert!(tokio::time::timeout(SILENCE, queue.next(100)).await.is_err());
}

/// Waits until `depth` and what is out have settled to this.
async fn comes_to(queue: &SqliteQueue, depth: u64, out: usize) {
    let look = async || (queue.depth().await.unwrap(), queue.taking.as_ref().unwrap().held.count());
    let all = async {
        while look().await != (depth, out) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(LIMIT, all).await;
    assert!(came.is_ok(), "{:?} and not {:?}", look().await, (depth, out));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acked_is_gone_and_the_rest_comes_again_after_a_restart() {
    let scratch = Scratch::new();
    let path = scratch.path("quhao.db");
    let queue = opened(&path, |_| {}).await;
    for at in 0..10 {
        queue.publish(message(at)).await.unwrap();
    }
    let deliveries = taken(&queue, 10).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(deliveries.iter().all(|delivery| !delivery.redelivered));
    let mut unsettled = Vec::new();
    for delivery in deliveries {
        match number(&delivery) % 2 {
            0 => delivery.settle(Disposition::Ack),
            _ => unsettled.push(delivery),
        }
    }
    comes_to(&queue, 0, 5).await;
    queue.close(LIMIT).await;
    // Too late: the next process gets it.
    unsettled.remove(0).settle(Disposition::Ack);

    let queue = opened(&path, |_| {}).await;
    let deliveries = taken(&queue, 5).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert!(deliveries.iter().all(|delivery| delivery.redelivered));
    for delivery in deliveries {
        delivery.settle(Disposition::Ack);
    }
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
    nothing_comes(&queue).await;
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn what_is_out_does_not_come_and_what_is_handed_back_or_dropped_does() {
    let scratch = Scratch::new();
    let queue = opened(&scratch.path("quhao.db"), |_| {}).await;
    for at in 0..3 {
        queue.publish(message(at)).await.unwrap();
    }
    let mut deliveries = taken(&queue, 3).await;
    nothing_comes(&queue).await;
    deliveries.remove(1).settle(Disposition::Requeue);
    let again = taken(&queue, 1).await;
    assert_eq!((again.len(), number(&again[0]), again[0].redelivered), (1, 1, true));
    drop(deliveries.remove(0));
    let again_too = taken(&queue, 1).await;
    assert_eq!((again_too.len(), number(&again_too[0]), again_too[0].redelivered), (1, 0, true));
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn a_full_queue_refuses_until_something_is_done() {
    let scratch = Scratch::new();
    let queue = opened(&scratch.path("quhao.db"), |settings| settings.length_max = 3).await;
    for at in 0..3 {
        queue.publish(message(at)).await.unwrap();
    }
    assert_eq!(queue.publish(message(3)).await, Err(PublishError::Full));
    for delivery in taken(&queue, 3).await {
        delivery.settle(Disposition::Ack);
    }
    comes_to(&queue, 0, 0).await;
    queue.publish(message(4)).await.unwrap();
    queue.close(LIMIT).await;
    assert_eq!(queue.publish(message(5)).await, Err(PublishError::Unavailable));
}

#[tokio::test]
async fn no_more_is_out_than_may_be() {
    let scratch = Scratch::new();
    let roles = Roles { publish: true, prefetch_max: Some(4) };
    let queue = opened_as(&scratch.path("quhao.db"), roles, |_| {}).await;
    for at in 0..10 {
        queue.publish(message(at)).await.unwrap();
    }
    let mut first = taken(&queue, 4).await;
    nothing_comes(&queue).await;
    assert_eq!((first.len(), queue.depth().await.unwrap()), (4, 6));
    first.remove(0).settle(Disposition::Ack);
    let next = taken(&queue, 1).await;
    assert_eq!(number(&next[0]), 4);
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn stopping_ends_those_who_wait_and_frees_what_was_not_handed_out() {
    let scratch = Scratch::new();
    let path = scratch.path("quhao.db");
    let queue = Arc::new(opened(&path, |_| {}).await);
    let waiter = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.next(1).await.is_none() }
    });
    tokio::task::yield_now().await;
    queue.stop_consuming().await;
    assert!(tokio::time::timeout(LIMIT, waiter).await.unwrap().unwrap());
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    for at in 0..6 {
        queue.publish(message(at)).await.unwrap();
    }
    comes_to(&queue, 6, 0).await;
    let mut out = queue.next(2).await.unwrap();
    comes_to(&queue, 0, 6).await;
    queue.stop_consuming().await;
    assert!(queue.next(10).await.is_none());
    comes_to(&queue, 4, 2).await;
    out.remove(0).settle(Disposition::Ack);
    comes_to(&queue, 4, 1).await;
    queue.close(LIMIT).await;
    drop(out);

    let queue = opened(&path, |_| {}).await;
    let numbers: Vec<u16> = taken(&queue, 5).await.iter().map(number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    queue.close(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_a_wait_or_a_publish_loses_nothing() {
    let scratch = Scratch::new();
    let queue = opened(&scratch.path("quhao.db"), |_| {}).await;
    let (mut sure, mut came) = (BTreeSet::new(), BTreeSet::new());
    let mut deliveries = Vec::new();
    for at in 0..60 {
        let patience = Duration::from_micros(u64::from(at) * 40);
        if matches!(tokio::time::timeout(patience, queue.publish(message(at))).await, Ok(Ok(()))) {
            sure.insert(at);
        }
        let patience = Duration::from_micros(u64::from(at) * 13);
        if let Ok(Some(more)) = tokio::time::timeout(patience, queue.next(3)).await {
            deliveries.extend(more);
        }
    }
    queue.publish(message(60)).await.unwrap();
    sure.insert(60);
    while !came.contains(&60) {
        deliveries.extend(taken(&queue, 1).await);
        for delivery in deliveries.drain(..) {
            assert!(came.insert(number(&delivery)), "handed out twice");
            delivery.settle(Disposition::Ack);
        }
    }
    assert!(came.is_superset(&sure));
    comes_to(&queue, 0, 0).await;
    queue.close(LIMIT).await;
}
