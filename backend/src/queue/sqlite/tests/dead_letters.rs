use futures_util::future::join_all;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::{
    LIMIT, SqliteQueue, delivered, expiring, job, nothing_is_delivered, number, opened, opened_as,
    settles_at,
};
use crate::queue::{
    delivery::{DeadLetterReason, Lane},
    disposition::Disposition,
    status::{Depths, Roles},
};

async fn dead_letters(queue: &SqliteQueue) -> u64 {
    let Depths { unrouted, outcomes, dead_letters, .. } = queue.depths().await.unwrap();
    assert_eq!((unrouted, outcomes), (0, 0));
    dead_letters
}

#[tokio::test]
async fn job_over_the_limit_comes_once_as_a_dead_letter() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
    let queue = opened(&path, |settings| settings.delivery_limit = 3).await;
    queue.publish(job(7)).await.unwrap();
    for unsettled in 0..=3 {
        let again = delivered(&queue, 1).await.remove(0);
        assert_eq!((again.lane, again.redelivered), (Lane::Jobs { unsettled }, unsettled > 0));
        again.settle(Disposition::Requeue);
    }
    let dead = delivered(&queue, 1).await.remove(0);
    assert_eq!((number(&dead), dead.lane), (7, Lane::DeadLetters(DeadLetterReason::DeliveryLimit)));
    dead.settle(Disposition::Ack);
    settles_at(&queue, 0, 0).await;
    assert_eq!(dead_letters(&queue).await, 0, "it was settled");
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn unsettled_dead_letter_is_kept_and_comes_no_more() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
    let queue = opened(&path, |settings| settings.delivery_limit = 1).await;
    let past = OffsetDateTime::now_utc() - time::Duration::SECOND;
    queue.publish(expiring(6, past)).await.unwrap();
    queue.publish(job(7)).await.unwrap();
    for _ in 0..3 {
        for delivery in delivered(&queue, 2).await {
            delivery.settle(Disposition::Requeue);
        }
    }
    nothing_is_delivered(&queue).await;
    assert_eq!(dead_letters(&queue).await, 2);
    queue.publish(job(8)).await.unwrap();
    delivered(&queue, 1).await.remove(0).settle(Disposition::DeadLetter);
    settles_at(&queue, 0, 0).await;
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    nothing_is_delivered(&queue).await;
    assert_eq!(dead_letters(&queue).await, 3, "kept for an operator");
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn expired_backlog_comes_as_dead_letters() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
    let queue = opened_as(&path, Roles { publish: true, prefetch_max: None }, |_| {}).await;
    let published = join_all((0..600).map(|at| {
        let past = OffsetDateTime::now_utc() - time::Duration::SECOND;
        queue.publish(if at == 300 { job(at) } else { expiring(at, past) })
    }));
    assert!(published.await.iter().all(Result::is_ok));
    assert!(queue.next(1).await.is_none(), "this process consumes nothing");
    assert_eq!(queue.depth().await.unwrap(), 600);
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    let mut came = 0;
    while came < 600 {
        for delivery in delivered(&queue, 1).await {
            assert!(!delivery.redelivered);
            let expected = match number(&delivery) {
                300 => Lane::Jobs { unsettled: 0 },
                _ => Lane::DeadLetters(DeadLetterReason::Expired),
            };
            assert_eq!(delivery.lane, expected);
            delivery.settle(Disposition::Ack);
            came += 1;
        }
    }
    settles_at(&queue, 0, 0).await;
    queue.close(LIMIT).await;
}
