use futures_util::future::join_all;
use time::OffsetDateTime;

use super::{
    LIMIT, SqliteQueue, comes_to, message, nothing_comes, number, opened, opened_as, taken,
};
use crate::{
    queue::{
        delivery::{DeadLetterReason, Disposition, Lane},
        status::{Depths, Roles},
    },
    sqlite_file::scratch::Scratch,
};

async fn aside(queue: &SqliteQueue) -> u64 {
    let Depths { unrouted, resume, dead, .. } = queue.depths().await.unwrap();
    assert_eq!((unrouted, resume), (0, 0));
    dead
}

#[tokio::test]
async fn a_job_that_comes_back_too_often_is_handed_out_once_more_as_a_dead_one() {
    let scratch = Scratch::new();
    let path = scratch.path("quhao.db");
    let queue = opened(&path, |settings| settings.delivery_limit = 3).await;
    queue.publish(message(7)).await.unwrap();
    for unsettled in 0..=3 {
        let job = taken(&queue, 1).await.remove(0);
        assert_eq!((job.lane, job.redelivered), (Lane::Jobs { unsettled }, unsettled > 0));
        job.settle(Disposition::Requeue);
    }
    let dead = taken(&queue, 1).await.remove(0);
    assert_eq!((number(&dead), dead.lane), (7, Lane::DeadLetters(DeadLetterReason::DeliveryLimit)));
    dead.settle(Disposition::Ack);
    comes_to(&queue, 0, 0).await;
    assert_eq!(aside(&queue).await, 0, "it was dealt with");
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn what_is_not_settled_as_a_dead_one_either_is_set_aside() {
    let scratch = Scratch::new();
    let path = scratch.path("quhao.db");
    let queue = opened(&path, |settings| settings.delivery_limit = 1).await;
    let mut expired = message(6);
    expired.expires_at = OffsetDateTime::now_utc() - time::Duration::SECOND;
    queue.publish(expired).await.unwrap();
    queue.publish(message(7)).await.unwrap();
    for _ in 0..3 {
        for delivery in taken(&queue, 2).await {
            delivery.settle(Disposition::Requeue);
        }
    }
    nothing_comes(&queue).await;
    assert_eq!(aside(&queue).await, 2);
    queue.publish(message(8)).await.unwrap();
    taken(&queue, 1).await.remove(0).settle(Disposition::DeadLetter);
    comes_to(&queue, 0, 0).await;
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    nothing_comes(&queue).await;
    assert_eq!(aside(&queue).await, 3, "kept for a look by hand");
    queue.close(LIMIT).await;
}

#[tokio::test]
async fn a_backlog_past_its_deadline_comes_as_dead_ones() {
    let scratch = Scratch::new();
    let path = scratch.path("quhao.db");
    let queue = opened_as(&path, Roles { publish: true, prefetch_max: None }, |_| {}).await;
    let published = join_all((0..600).map(|at| {
        let mut message = message(at);
        if at != 300 {
            message.expires_at = OffsetDateTime::now_utc() - time::Duration::SECOND;
        }
        queue.publish(message)
    }));
    assert!(published.await.iter().all(Result::is_ok));
    assert!(queue.next(1).await.is_none(), "this process takes nothing");
    assert_eq!(queue.depth().await.unwrap(), 600);
    queue.close(LIMIT).await;

    let queue = opened(&path, |_| {}).await;
    let mut came = 0;
    while came < 600 {
        for delivery in taken(&queue, 1).await {
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
    comes_to(&queue, 0, 0).await;
    queue.close(LIMIT).await;
}
