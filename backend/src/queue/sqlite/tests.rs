use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use time::OffsetDateTime;

use super::SqliteQueue;
use crate::{
    queue::{
        delivery::Delivery,
        disposition::Disposition,
        error::PublishError,
        message::{Message, MessageKind},
        status::Roles,
    },
    sqlite_file::Database,
};
use quhao_common::{
    config::{self, QueueUrl},
    domain::id::JobId,
};
use tempfile::TempDir;

mod dead_letters;
mod killed;

const LIMIT: Duration = Duration::from_secs(10);
/// Long enough to see that nothing is delivered.
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

fn job(number: u16) -> Message {
    expiring(number, OffsetDateTime::now_utc() + time::Duration::minutes(5))
}

fn expiring(number: u16, expires_at: OffsetDateTime) -> Message {
    let mut id = [0; 25];
    id[1..3].copy_from_slice(&number.to_be_bytes());
    Message {
        id: JobId::from_bytes(id),
        body: number.to_be_bytes().to_vec(),
        kind: MessageKind::Job { expires_at, traceparent: None },
    }
}

fn number(delivery: &Delivery) -> u16 {
    u16::from_be_bytes(delivery.body.clone().try_into().unwrap())
}

/// Waits for at least `count` deliveries.
async fn delivered(queue: &SqliteQueue, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let next = tokio::time::timeout(LIMIT, queue.next(100)).await;
        assert!(next.is_ok(), "{} of {count} came", deliveries.len());
        deliveries.extend(next.unwrap().expect("not stopped"));
    }
    deliveries
}

async fn nothing_is_delivered(queue: &SqliteQueue) {
    assert!(tokio::time::timeout(SILENCE, queue.next(100)).await.is_err());
}

/// Waits until so many messages are ready and so many in flight.
async fn settles_at(queue: &SqliteQueue, depth: u64, in_flight: usize) {
    let look =
        async || (queue.depth().await.unwrap(), queue.consumer.as_ref().unwrap().in_flight());
    let all = async {
        while look().await != (depth, in_flight) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let settled = tokio::time::timeout(LIMIT, all).await;
    assert!(settled.is_ok(), "{:?} and not {:?}", look().await, (depth, in_flight));
}

#[tokio::test(flavor = "multi_thread")]
async fn unacked_messages_come_again_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
    let queue = opened(&path, |_| {}).await;
    for at in 0..10 {
        queue.publish(job(at)).await.unwrap();
    }
    let deliveries = delivered(&queue, 10).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(deliveries.iter().all(|delivery| !delivery.redelivered));
    let mut unsettled = Vec::new();
    for delivery in deliveries {
        match number(&delivery) % 2 {
            0 => delivery.settle(Disposition::Ack),
            _ => unsettled.push(delivery),
        }
    }
    settles_at(&queue, 0, 5).await;
    queue.close(LIMIT).await;
    // Too late: the next process gets it.
    unsettled.remove(0).settle(Disposition::Ack);

    let queue = opened(&path, |_| {}).await;
    let deliveries = delivered(&queue, 5).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert!(deliveries.iter().all(|delivery| delivery.redelivered));
    for delivery in deliveries {
        delivery.settle(Disposition::Ack);
    }
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    assert_eq!(queue.depth().await.unwrap(), 0);
    nothing_is_delivered(&queue).await;
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn requeued_or_dropped_delivery_comes_again() {
    let folder = TempDir::new().unwrap();
    let queue = opened(&folder.path().join("quhao.db"), |_| {}).await;
    for at in 0..3 {
        queue.publish(job(at)).await.unwrap();
    }
    let mut deliveries = delivered(&queue, 3).await;
    nothing_is_delivered(&queue).await;
    deliveries.remove(1).settle(Disposition::Requeue);
    let again = delivered(&queue, 1).await;
    assert_eq!((again.len(), number(&again[0]), again[0].redelivered), (1, 1, true));
    drop(deliveries.remove(0));
    let again_too = delivered(&queue, 1).await;
    assert_eq!((again_too.len(), number(&again_too[0]), again_too[0].redelivered), (1, 0, true));
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn full_queue_refuses_until_a_job_is_acked() {
    let folder = TempDir::new().unwrap();
    let queue = opened(&folder.path().join("quhao.db"), |settings| settings.length_max = 3).await;
    for at in 0..3 {
        queue.publish(job(at)).await.unwrap();
    }
    assert_eq!(queue.publish(job(3)).await, Err(PublishError::Full));
    for delivery in delivered(&queue, 3).await {
        delivery.settle(Disposition::Ack);
    }
    settles_at(&queue, 0, 0).await;
    queue.publish(job(4)).await.unwrap();
    queue.close(LIMIT).await;
    assert_eq!(queue.publish(job(5)).await, Err(PublishError::Unavailable));
}

#[tokio::test]
async fn prefetch_limits_messages_in_flight() {
    let folder = TempDir::new().unwrap();
    let roles = Roles { publish: true, prefetch_max: Some(4) };
    let queue = opened_as(&folder.path().join("quhao.db"), roles, |_| {}).await;
    for at in 0..10 {
        queue.publish(job(at)).await.unwrap();
    }
    let mut first = delivered(&queue, 4).await;
    nothing_is_delivered(&queue).await;
    assert_eq!((first.len(), queue.depth().await.unwrap()), (4, 6));
    first.remove(0).settle(Disposition::Ack);
    let next = delivered(&queue, 1).await;
    assert_eq!(number(&next[0]), 4);
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn stopping_ends_waits_and_frees_the_buffer() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
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
        queue.publish(job(at)).await.unwrap();
    }
    settles_at(&queue, 6, 0).await;
    let mut out = queue.next(2).await.unwrap();
    settles_at(&queue, 0, 6).await;
    queue.stop_consuming().await;
    assert!(queue.next(10).await.is_none());
    settles_at(&queue, 4, 2).await;
    out.remove(0).settle(Disposition::Ack);
    settles_at(&queue, 4, 1).await;
    queue.close(LIMIT).await;
    drop(out);

    let queue = opened(&path, |_| {}).await;
    let numbers: Vec<u16> = delivered(&queue, 5).await.iter().map(number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    queue.close(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_wait_or_publish_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let queue = opened(&folder.path().join("quhao.db"), |_| {}).await;
    let mut confirmed = BTreeSet::new();
    let mut came = BTreeSet::new();
    let mut deliveries = Vec::new();
    for at in 0..60 {
        let patience = Duration::from_micros(u64::from(at) * 40);
        if matches!(tokio::time::timeout(patience, queue.publish(job(at))).await, Ok(Ok(()))) {
            confirmed.insert(at);
        }
        let patience = Duration::from_micros(u64::from(at) * 13);
        if let Ok(Some(more)) = tokio::time::timeout(patience, queue.next(3)).await {
            deliveries.extend(more);
        }
    }
    queue.publish(job(60)).await.unwrap();
    confirmed.insert(60);
    while !came.contains(&60) {
        deliveries.extend(delivered(&queue, 1).await);
        for delivery in deliveries.drain(..) {
            assert!(came.insert(number(&delivery)), "handed out twice");
            delivery.settle(Disposition::Ack);
        }
    }
    assert!(came.is_superset(&confirmed));
    settles_at(&queue, 0, 0).await;
    queue.close(LIMIT).await;
}
