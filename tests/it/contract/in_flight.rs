//! What becomes of the copies of a job that a worker is working on.

use std::time::Duration;

use quhao_backend::queue::{DeadLetterReason, Delivery, Disposition, Lane};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobId,
};
use quhao_tests::{config::Mode, in_both_modes};
use quhao_worker::settlement::{
    self, CommitResult,
    answered::{self, AnsweredDuplicate},
    in_flight::InFlight,
};
use time::OffsetDateTime;

use super::{
    fixture::{Fixture, close, take, take_one},
    queue::deliveries::{assert_empty, publish},
    store::outcome::{finished, now},
};

in_both_modes!(
    copies_share_the_fate_of_the_one_that_is_worked_on,
    passed_deadline_is_no_answer_for_a_duplicate,
);

async fn copies_share_the_fate_of_the_one_that_is_worked_on(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
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
    let first = settlement::enter(&in_flight, key, soon, first).expect("nobody works on it yet");
    assert!(settlement::enter(&in_flight, key, soon, again).is_none());
    assert!(settlement::enter(&in_flight, key, later, longer).is_none());
    settlement::ack_expired_job(&in_flight, key, first);
    let longer = take_one(queue).await;
    assert_eq!(longer.body, b"later");
    let longer =
        settlement::enter(&in_flight, key, later, longer).expect("nobody works on it any more");
    let done = Finished { key, ..finished(FinalState::Succeeded) };
    settlement::settle_job(&in_flight, &done, longer, CommitResult::Committed);
    assert_empty(queue).await;

    // Committed: all are gone.
    let (first, again, longer) = copies().await;
    let first = settlement::enter(&in_flight, key, soon, first).expect("nobody works on it");
    assert!(settlement::enter(&in_flight, key, soon, again).is_none());
    assert!(settlement::enter(&in_flight, key, later, longer).is_none());
    settlement::settle_job(&in_flight, &done, first, CommitResult::Committed);
    assert_empty(queue).await;
    close(&backend).await;
}

/// Both were taken at once, and there is an answer: that the first one's deadline passed. It
/// may not have passed by our clock, if that of whoever said so is ahead.
async fn passed_deadline_is_no_answer_for_a_duplicate(mode: Mode) {
    let fixture = Fixture::new(mode).await;
    let backend = fixture.open_for_both().await;
    let (queue, store, in_flight) = (&backend.queue, &backend.store, InFlight::default());
    let expired = FinalState::Failed(FailureCode::DeadlineExceeded);
    let (past, future) = (now() - Duration::from_secs(1), now() + Duration::from_mins(1));
    for (final_state, expires_at, comes_again) in
        [(expired, past, true), (expired, future, true), (FinalState::Succeeded, future, false)]
    {
        let row = Finished { expires_at, ..finished(final_state) };
        let key = row.key;
        store.finish(&[row]).await.expect("a commit");
        publish(queue, b"first").await;
        let first = take_one(queue).await;
        publish(queue, b"later").await;
        let later = take_one(queue).await;
        let delivery =
            settlement::enter(&in_flight, key, expires_at, first).expect("nobody works on it");
        assert!(
            settlement::enter(&in_flight, key, future + Duration::from_secs(1), later).is_none()
        );
        let copies = vec![AnsweredDuplicate { key, expires_at, delivery }];
        answered::settle_jobs(store, Duration::from_hours(1), &in_flight, copies).await;
        if comes_again {
            let later = take_one(queue).await;
            assert_eq!(later.body, b"later");
            later.settle(Disposition::Ack);
        }
        assert_empty(queue).await;
    }
    close(&backend).await;
}

/// An embedded queue never redelivers what a worker has dead-lettered.
#[tokio::test]
async fn dead_lettered_duplicate_waits_for_the_running_one() {
    let fixture = Fixture::new(Mode::Distributed).await;
    let backend = fixture.open_for_both().await;
    let (queue, in_flight) = (&backend.queue, InFlight::default());
    let job = finished(FinalState::Succeeded);
    publish(queue, b"dead").await;
    take_one(queue).await.settle(Disposition::DeadLetter);
    publish(queue, b"live").await;
    for is_committed in [false, true] {
        let mut copies = Vec::new();
        while copies.len() < 2 {
            copies.extend(take(queue, 2 - copies.len()).await);
        }
        copies.sort_by_key(|copy| copy.body == b"dead");
        let [live, dead] = copies.try_into().expect("two");
        assert_eq!(dead.lane, Lane::DeadLetters(DeadLetterReason::Rejected));
        let dead = in_flight.follow(job.key, dead).expect("nobody works on it");
        let live = settlement::enter(&in_flight, job.key, job.expires_at, live)
            .expect("nobody works on it");
        assert!(in_flight.follow(job.key, dead).is_none());
        if is_committed {
            settlement::settle_job(&in_flight, &job, live, CommitResult::Committed);
        } else {
            settlement::requeue_job(&in_flight, job.key, live);
        }
    }
    assert_empty(queue).await;
    close(&backend).await;
}
