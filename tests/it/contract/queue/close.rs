//! What becomes of deliveries when whoever took them ends.

use std::time::Duration;

use quhao_backend::queue::{Disposition, Roles};
use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, eventually, within},
};

use super::deliveries::{assert_empty, publish};
use crate::contract::fixture::{Fixture, close, take, take_one};

in_both_modes!(
    what_was_not_settled_comes_again_and_says_so,
    settlements_just_before_close_are_kept,
    stopping_gives_back_what_was_not_handed_out,
    stopping_ends_a_wait_that_is_under_way,
);

async fn what_was_not_settled_comes_again_and_says_so(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    publish(&backend.queue, b"unfinished").await;
    let unfinished = take_one(&backend.queue).await;
    assert!(!unfinished.redelivered, "nobody had it before");
    close(&backend).await;
    drop(unfinished);

    let backend = fixture.open_for_both().await;
    let again = take_one(&backend.queue).await;
    assert_eq!(again.body, b"unfinished");
    assert!(again.redelivered, "somebody had it before");
    again.settle(Disposition::Ack);
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn settlements_just_before_close_are_kept(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    for number in 0..50_u8 {
        publish(&backend.queue, &[number]).await;
    }
    let mut open = 50;
    while open > 0 {
        for delivery in take(&backend.queue, 50).await {
            delivery.settle(Disposition::Ack);
            open -= 1;
        }
    }
    close(&backend).await;

    let backend = fixture.open_for_both().await;
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn stopping_gives_back_what_was_not_handed_out(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    for number in 0..5_u8 {
        publish(&backend.queue, &[number]).await;
    }
    let first = take_one(&backend.queue).await;
    assert_eq!(first.body, [0]);
    backend.queue.stop_consuming().await;
    let late = within("the end of taking", PATIENCE, backend.queue.next(10)).await;
    assert!(late.is_none(), "deliveries after the end of taking");
    eventually("four wait again", PATIENCE, || async {
        (backend.queue.depth().await.ok()? == 4).then_some(())
    })
    .await;
    // Whatever is out can still be settled.
    first.settle(Disposition::Ack);
    close(&backend).await;

    let backend = fixture.open(Roles { publish: true, prefetch_max: Some(10) }).await;
    let mut taken = Vec::new();
    while taken.len() < 4 {
        for delivery in take(&backend.queue, 10).await {
            taken.extend(delivery.body.clone());
            delivery.settle(Disposition::Ack);
        }
    }
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 4]);
    assert_empty(&backend.queue).await;
    close(&backend).await;
}

async fn stopping_ends_a_wait_that_is_under_way(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    let waiting = tokio::spawn({
        let queue = std::sync::Arc::clone(&backend.queue);
        async move { queue.next(1).await.is_none() }
    });
    // Whether the wait has begun by now or not, it must end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    backend.queue.stop_consuming().await;
    assert!(within("the wait ends", PATIENCE, waiting).await.expect("no panic"));
    close(&backend).await;
}
