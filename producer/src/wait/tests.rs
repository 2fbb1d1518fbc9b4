use std::time::Duration;

use quhao_common::crypto::vault::Sealed;

use super::*;

fn key(byte: u8) -> JobKey {
    JobKey::from_bytes([byte; 16])
}

fn waiters(max: usize) -> Waiters {
    Waiters::new(max, CancellationToken::new())
}

fn answer(byte: u8) -> StoredAnswer {
    let at = OffsetDateTime::UNIX_EPOCH;
    StoredAnswer {
        key: key(byte),
        created_at: at,
        expires_at: at,
        finished_at: at,
        purge_at: at + Duration::from_mins(1),
        answer: Some(Sealed::from_bytes(Vec::new())),
        validity: AnswerValidity::Always,
    }
}

fn client() -> ClientName {
    ClientName::new("orders").expect("a name")
}

fn seat(waiters: &Waiters, key: JobKey) -> Option<Waiter> {
    waiters.seat(&client(), false, key, None)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(10)
}

#[tokio::test]
async fn those_who_wait_for_the_same_job_share_its_key() {
    let waiters = waiters(8);
    let first = seat(&waiters, key(1)).expect("room");
    let second = seat(&waiters, key(1)).expect("room");
    let other = seat(&waiters, key(2)).expect("room");
    let asked = waiters.keys(&Due::Some(Vec::new()));
    assert_eq!(asked, [key(1), key(2)]);
    waiters.tell(&asked, Some(vec![answer(1)]), OffsetDateTime::UNIX_EPOCH);
    assert!(matches!(first.wait(soon()).await, Seen::Answer(_)));
    assert!(matches!(second.wait(soon()).await, Seen::Answer(_)));
    assert!(matches!(other.wait(soon()).await, Seen::Nothing));
    assert!(waiters.0.table().by_key.is_empty());
    assert!(waiters.0.table().places.is_empty());
}

/// The deadline of one copy passed; another's is later.
#[tokio::test]
async fn who_waits_for_a_later_copy_waits_on() {
    let (waiters, at) = (waiters(8), OffsetDateTime::UNIX_EPOCH);
    let (expired, later) = (at + Duration::from_secs(10), at + Duration::from_secs(11));
    let wait = |deadline| waiters.seat(&client(), false, key(1), deadline).expect("room");
    let late = StoredAnswer { validity: AnswerValidity::Until(expired), ..answer(1) };
    let all = [wait(None), wait(Some(expired)), wait(Some(later)), wait(Some(later))];
    waiters.tell(&[key(1)], Some(vec![late.clone()]), at);
    let [any, first, second, third] = all;
    for answered in [any, first] {
        assert!(matches!(answered.wait(soon()).await, Seen::Answer(_)));
    }
    assert!(matches!(second.wait(soon()).await, Seen::Nothing));
    assert_eq!(waiters.keys(&Due::All), [key(1)], "it is asked for again");
    waiters.tell(&[key(1)], Some(vec![late]), at);
    waiters.tell(&[key(1)], Some(vec![answer(1)]), at);
    assert!(
        matches!(third.wait(soon()).await, Seen::Answer(it) if it.validity == AnswerValidity::Always)
    );
    assert!(waiters.keys(&Due::All).is_empty());
    assert!(waiters.0.table().places.is_empty());
}

#[tokio::test]
async fn news_of_strangers_and_of_the_past_ask_for_nothing() {
    let waiters = waiters(8);
    let waiter = seat(&waiters, key(1)).expect("room");
    assert_eq!(waiters.keys(&Due::All), [key(1)]);
    assert!(waiters.keys(&Due::Some(vec![key(7)])).is_empty());
    assert_eq!(waiters.keys(&Due::Some(vec![key(1), key(1)])), [key(1)]);
    // A row whose time is over is no answer.
    waiters.tell(&[key(1)], Some(vec![answer(1)]), OffsetDateTime::now_utc());
    assert!(matches!(waiter.wait(soon()).await, Seen::Nothing));
}

#[tokio::test]
async fn a_dropped_request_leaves_nothing_behind() {
    let waiters = waiters(8);
    let early = seat(&waiters, key(1)).expect("room");
    waiters.tell(&[key(1)], Some(vec![answer(1)]), OffsetDateTime::UNIX_EPOCH);
    let late = seat(&waiters, key(1)).expect("room");
    drop(early);
    assert_eq!(waiters.keys(&Due::All), [key(1)], "the late one still waits");
    drop(late);
    assert!(waiters.keys(&Due::All).is_empty());
    assert!(waiters.0.table().places.is_empty());
}

#[tokio::test]
async fn there_is_a_bound_and_draining_wakes_everybody() {
    let waiters = waiters(1);
    let waiter = seat(&waiters, key(1)).expect("room");
    assert!(seat(&waiters, key(2)).is_none());
    waiters.tell(&[key(1)], None, OffsetDateTime::UNIX_EPOCH);
    waiters.0.draining.cancel();
    let far = Instant::now() + Duration::from_hours(1);
    assert!(matches!(waiter.wait(far).await, Seen::Unreadable));
    assert!(seat(&waiters, key(1)).is_none());
}
