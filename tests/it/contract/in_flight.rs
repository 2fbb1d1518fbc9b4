//! What becomes of the copies of a job that a worker is working on.

use std::time::Duration;

use quhao_common::{
    id::JobId,
    queue::{Delivery, Verdict},
};
use quhao_tests::{config::Mode, in_both_modes};
use quhao_worker::in_flight::InFlight;
use time::OffsetDateTime;

use super::{
    ground::{Ground, close, take, take_one},
    queue::{assert_empty, publish},
};

in_both_modes!(copies_share_the_fate_of_the_one_that_is_worked_on);

async fn copies_share_the_fate_of_the_one_that_is_worked_on(mode: Mode) {
    let ground = Ground::new(mode).await;
    let backend = ground.open_for_both().await;
    let (queue, in_flight) = (&backend.queue, InFlight::default());
    let key = JobId::from_bytes(rand::random()).key();
    let soon = OffsetDateTime::now_utc() + Duration::from_secs(5);
    let later = soon + Duration::from_secs(1);
    let copies = async || -> (Delivery, Delivery, Delivery) {
        for body in [b"first", b"again", b"later"] {
            publish(queue, body).await;
        }
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(take(queue, 3 - taken.len()).await);
        }
        taken.sort_by_key(|copy| {
            [&b"first"[..], b"again", b"later"].iter().position(|b| *b == copy.body)
        });
        let later = taken.pop().unwrap();
        let again = taken.pop().unwrap();
        (taken.pop().unwrap(), again, later)
    };

    // Too late for the first: the one that lives longer comes again, alone.
    let (first, again, longer) = copies().await;
    let first = in_flight.enter(key, soon, first).expect("nobody works on it yet");
    assert!(in_flight.enter(key, soon, again).is_none());
    assert!(in_flight.enter(key, later, longer).is_none());
    in_flight.settle_alone(key, first, Verdict::Ack);
    let longer = take_one(queue).await;
    assert_eq!(longer.body, b"later");
    let longer = in_flight.enter(key, later, longer).expect("nobody works on it any more");
    in_flight.settle(key, longer, Verdict::Ack);
    assert_empty(queue).await;

    // Committed: all are gone.
    let (first, again, longer) = copies().await;
    let first = in_flight.enter(key, soon, first).expect("nobody works on it");
    assert!(in_flight.enter(key, soon, again).is_none());
    assert!(in_flight.enter(key, later, longer).is_none());
    in_flight.settle(key, first, Verdict::Ack);
    assert_empty(queue).await;
    close(&backend).await;
}
