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

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("a name")
}

fn register(waiters: &Waiters, key: JobKey) -> Option<Waiter> {
    register_until(waiters, key, None)
}

fn register_until(
    waiters: &Waiters,
    key: JobKey,
    deadline: Option<OffsetDateTime>,
) -> Option<Waiter> {
    let client = &client("orders");
    waiters.register(WaitFor { client, is_only_client: true, key, deadline })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(10)
}

#[tokio::test]
async fn waiters_for_one_job_share_its_key() {
    let waiters = waiters(8);
    let first = register(&waiters, key(1)).expect("room");
    let second = register(&waiters, key(1)).expect("room");
    let other = register(&waiters, key(2)).expect("room");
    let asked = waiters.keys(&Due::Keys(Vec::new()));
    assert_eq!(asked, [key(1), key(2)]);
    waiters.notify(&asked, Some(vec![answer(1)]), OffsetDateTime::UNIX_EPOCH);
    assert!(matches!(first.wait(soon()).await, Lookup::Answer(_)));
    assert!(matches!(second.wait(soon()).await, Lookup::Answer(_)));
    assert!(matches!(other.wait(soon()).await, Lookup::NoAnswer));
    assert!(waiters.0.table().by_key.is_empty());
    assert!(waiters.0.table().share.in_use() == 0);
}

/// The deadline of one copy passed; another's is later.
#[tokio::test]
async fn waiter_for_a_later_copy_waits_on() {
    let waiters = waiters(8);
    let at = OffsetDateTime::UNIX_EPOCH;
    let expired = at + Duration::from_secs(10);
    let later = at + Duration::from_secs(11);
    let wait = |deadline| register_until(&waiters, key(1), deadline).expect("room");
    let late = StoredAnswer { validity: AnswerValidity::Until(expired), ..answer(1) };
    let all = [wait(None), wait(Some(expired)), wait(Some(later)), wait(Some(later))];
    waiters.notify(&[key(1)], Some(vec![late.clone()]), at);
    let [any, first, second, third] = all;
    for answered in [any, first] {
        assert!(matches!(answered.wait(soon()).await, Lookup::Answer(_)));
    }
    assert!(matches!(second.wait(soon()).await, Lookup::NoAnswer));
    assert_eq!(waiters.keys(&Due::All), [key(1)], "it is looked up again");
    waiters.notify(&[key(1)], Some(vec![late]), at);
    waiters.notify(&[key(1)], Some(vec![answer(1)]), at);
    assert!(
        matches!(third.wait(soon()).await, Lookup::Answer(it) if it.validity == AnswerValidity::Always)
    );
    assert!(waiters.keys(&Due::All).is_empty());
    assert!(waiters.0.table().share.in_use() == 0);
}

#[tokio::test]
async fn unknown_keys_and_purged_rows_are_ignored() {
    let waiters = waiters(8);
    let waiter = register(&waiters, key(1)).expect("room");
    assert_eq!(waiters.keys(&Due::All), [key(1)]);
    assert!(waiters.keys(&Due::Keys(vec![key(7)])).is_empty());
    assert_eq!(waiters.keys(&Due::Keys(vec![key(1), key(1)])), [key(1)]);
    // A row past its retention is no answer.
    waiters.notify(&[key(1)], Some(vec![answer(1)]), OffsetDateTime::now_utc());
    assert!(matches!(waiter.wait(soon()).await, Lookup::NoAnswer));
}

#[tokio::test]
async fn dropped_request_leaves_no_entry() {
    let waiters = waiters(8);
    let early = register(&waiters, key(1)).expect("room");
    waiters.notify(&[key(1)], Some(vec![answer(1)]), OffsetDateTime::UNIX_EPOCH);
    let late = register(&waiters, key(1)).expect("room");
    drop(early);
    assert_eq!(waiters.keys(&Due::All), [key(1)], "the late one still waits");
    drop(late);
    assert!(waiters.keys(&Due::All).is_empty());
    assert!(waiters.0.table().share.in_use() == 0);
}

#[tokio::test]
async fn waiters_are_bounded_and_end_with_draining() {
    let waiters = waiters(1);
    let waiter = register(&waiters, key(1)).expect("room");
    assert!(register(&waiters, key(2)).is_none());
    waiters.notify(&[key(1)], None, OffsetDateTime::UNIX_EPOCH);
    waiters.0.draining.cancel();
    let far = Instant::now() + Duration::from_hours(1);
    assert!(matches!(waiter.wait(far).await, Lookup::Unreadable));
    assert!(register(&waiters, key(1)).is_none());
}

/// Returns how many waiters a client gets that registers again and again.
fn registered(waiters: &Waiters, name: &str, is_only_client: bool) -> Vec<Waiter> {
    let client = &client(name);
    let wanted = WaitFor { client, is_only_client, key: key(1), deadline: None };
    std::iter::from_fn(|| waiters.register(wanted)).take(100).collect()
}

#[tokio::test]
async fn one_of_several_clients_has_half_at_most() {
    for (max, first, second) in [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 1), (10, 5, 5)] {
        let waiters = waiters(max);
        let of_first = registered(&waiters, "a", false);
        let of_second = registered(&waiters, "b", false);
        assert_eq!((of_first.len(), of_second.len()), (first, second), "{max}");
    }
    assert_eq!(registered(&waiters(10), "a", true).len(), 10, "nobody else wants any");
}

#[tokio::test]
async fn room_that_is_given_back_is_free() {
    let waiters = waiters(2);
    let mut of_a = registered(&waiters, "a", false);
    let of_b = registered(&waiters, "b", false);
    assert_eq!((of_a.len(), of_b.len()), (1, 1));
    drop(of_a);
    of_a = registered(&waiters, "a", false);
    assert_eq!(of_a.len(), 1);
    // After a reload there is one client, and what was taken before counts.
    assert!(registered(&waiters, "a", true).is_empty(), "all is taken");
    drop(of_b);
    of_a.extend(registered(&waiters, "a", true));
    assert_eq!(of_a.len(), 2);
    drop(of_a);
    assert_eq!(waiters.0.table().share.in_use(), 0);
}
