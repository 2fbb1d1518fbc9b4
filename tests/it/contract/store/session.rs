//! Sessions: two keys for each guest, in the order of their exchanges.

use std::time::Duration;

use quhao_backend::store::StoredSession;
use quhao_common::{
    crypto::vault::{KeyedHash, Sealed},
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished, NewSession},
    },
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
};
use time::OffsetDateTime;

use super::outcome::{self, app, client, finished, now};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    the_order_of_arrival_does_not_matter,
    the_order_within_a_batch_does_not_matter,
    a_session_is_found_by_its_codes_and_its_guest,
    a_session_belongs_to_one_client_and_app,
    a_session_comes_with_a_failure_too,
    sessions_past_their_time_are_gone,
);

/// An exchange: which key, by which code, in which second.
type Exchange = (u8, u8, i64);

/// Histories of one guest: nothing new, another key, the same key by another code, back to
/// an earlier key, three keys.
const HISTORIES: [&[Exchange]; 5] = [
    &[(1, 11, 1), (1, 11, 1)],
    &[(1, 11, 1), (2, 12, 2)],
    &[(1, 11, 1), (1, 12, 2), (1, 13, 3)],
    &[(1, 11, 1), (2, 12, 2), (1, 13, 3)],
    &[(1, 11, 1), (2, 12, 2), (2, 13, 3), (3, 14, 4)],
];

fn hash(number: u8) -> KeyedHash {
    [number; 16]
}

fn login(openid: &str, exchange: Exchange, start: OffsetDateTime) -> Finished {
    let (key, code, second) = exchange;
    let finished = finished(FinalState::Succeeded);
    let session = NewSession {
        unionid: Some("union".to_owned()),
        key: Sealed::from_bytes(vec![key, code]),
        key_hash: hash(key),
        code_hash: hash(code),
        exchanged_at: start + Duration::from_secs(u64::try_from(second).unwrap_or_default()),
        purge_at: start + Duration::from_hours(72),
        ..outcome::session((&finished.client, &finished.app), openid)
    };
    Finished { openid: Some(openid.to_owned()), session: Some(session), ..finished }
}

/// Returns what must be left of a history, in whatever order it arrived: the latest exchange
/// of each key, of those the two latest.
fn expected(history: &[Exchange]) -> Vec<Exchange> {
    let mut latest: Vec<Exchange> = Vec::new();
    let mut in_order = history.to_vec();
    in_order.sort_by_key(|(_, _, second)| *second);
    for exchange in in_order {
        latest.retain(|(key, _, _)| *key != exchange.0);
        latest.insert(0, exchange);
    }
    latest.truncate(2);
    latest
}

fn assert_left(session: &StoredSession, history: &[Exchange], start: OffsetDateTime, order: &str) {
    let left: Vec<(KeyedHash, OffsetDateTime)> =
        session.keys.iter().map(|key| (key.code_hash, key.exchanged_at)).collect();
    let expected: Vec<(KeyedHash, OffsetDateTime)> = expected(history)
        .into_iter()
        .map(|(_, code, second)| (hash(code), start + time::Duration::seconds(second)))
        .collect();
    assert_eq!(left, expected, "{order}");
    assert_eq!(session.keys[0].exchanged_at, expected[0].1, "{order}");
    // The newest box too, or a guest's login would keep a session that nobody can open once
    // its seal key is dropped.
    let latest = history.iter().max_by_key(|(_, _, second)| *second).expect("an exchange");
    assert_eq!(session.keys[0].key.as_bytes(), [latest.0, latest.1], "{order}");
}

fn permutations(history: &[Exchange]) -> Vec<Vec<Exchange>> {
    if history.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..history.len() {
        let mut rest = history.to_vec();
        let first = rest.remove(at);
        all.extend(permutations(&rest).into_iter().map(|rest| [vec![first], rest].concat()));
    }
    all
}

/// Returns every order of every history, each by a guest of its own.
fn orders() -> Vec<(String, Vec<Exchange>)> {
    let all = HISTORIES.iter().flat_map(|history| permutations(history));
    all.enumerate().map(|(guest, order)| (format!("guest-{guest}"), order)).collect()
}

async fn assert_all_left(open: &Open, orders: &[(String, Vec<Exchange>)], start: OffsetDateTime) {
    for (guest, order) in orders {
        let session = open.store().session_of_guest(&client("orders"), &app(APP), guest).await;
        let session = session.expect("an answer").expect("a session");
        assert_left(&session, order, start, &format!("arrived as {order:?}"));
    }
}

async fn the_order_of_arrival_does_not_matter(mode: Mode) {
    let open = Open::new(mode).await;
    let (orders, start) = (orders(), now());
    let longest = orders.iter().map(|(_, order)| order.len()).max().unwrap_or_default();
    for at in 0..longest {
        let exchanges = orders.iter().filter_map(|(guest, order)| Some((guest, *order.get(at)?)));
        let batch: Vec<Finished> =
            exchanges.map(|(guest, exchange)| login(guest, exchange, start)).collect();
        open.store().finish(&batch).await.expect("a commit");
    }
    assert_all_left(&open, &orders, start).await;
    close(&open.backend).await;
}

async fn the_order_within_a_batch_does_not_matter(mode: Mode) {
    let open = Open::new(mode).await;
    let (orders, start) = (orders(), now());
    let batch: Vec<Finished> = orders
        .iter()
        .flat_map(|(guest, order)| order.iter().map(|exchange| login(guest, *exchange, start)))
        .collect();
    open.store().finish(&batch).await.expect("a commit");
    assert_all_left(&open, &orders, start).await;
    close(&open.backend).await;
}

async fn a_session_is_found_by_its_codes_and_its_guest(mode: Mode) {
    let open = Open::new(mode).await;
    let (store, start) = (open.store(), now());
    let (orders, own) = (client("orders"), app(APP));
    for exchange in [(1, 11, 1), (2, 12, 2), (3, 13, 3)] {
        store.finish(&[login("guest", exchange, start)]).await.expect("a commit");
    }
    store.finish(&[login("another", (9, 19, 1), start)]).await.expect("a commit");
    for code in [12, 13] {
        // The second hash is of the same code under another secret.
        for hashes in [vec![hash(code)], vec![hash(99), hash(code)]] {
            let found = store.session_of_code(&orders, &own, &hashes).await.expect("an answer");
            let found = found.expect("a session");
            assert_eq!((found.openid.as_str(), found.unionid.as_deref()), ("guest", Some("union")));
            let keys: Vec<&[u8]> = found.keys.iter().map(|key| key.key.as_bytes()).collect();
            assert_eq!(keys, [&[3, 13][..], &[2, 12]], "current first");
        }
    }
    for hashes in [vec![hash(11)], vec![hash(99)], vec![]] {
        let found = store.session_of_code(&orders, &own, &hashes).await.expect("an answer");
        assert!(found.is_none(), "{hashes:?} is of no session");
    }
    let found = store.session_of_guest(&orders, &own, "another").await.expect("an answer");
    assert_eq!(found.expect("a session").keys.len(), 1);
    let nobody = store.session_of_guest(&orders, &own, "nobody").await.expect("an answer");
    assert!(nobody.is_none());
    close(&open.backend).await;
}

async fn a_session_belongs_to_one_client_and_app(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    store.finish(&[login("guest", (1, 11, 1), now())]).await.expect("a commit");
    let foreign = [("elsewhere", APP), ("orders", APP_ELSEWHERE), ("elsewhere", APP_ELSEWHERE)];
    for (name, id) in foreign {
        let (name, id) = (client(name), app(id));
        let by_code = store.session_of_code(&name, &id, &[hash(11)]).await.expect("an answer");
        assert!(by_code.is_none(), "{name} {id}");
        let by_guest = store.session_of_guest(&name, &id, "guest").await.expect("an answer");
        assert!(by_guest.is_none(), "{name} {id}");
    }
    close(&open.backend).await;
}

async fn a_session_comes_with_a_failure_too(mode: Mode) {
    let open = Open::new(mode).await;
    let failed = Finished {
        final_state: FinalState::Failed(FailureCode::DecryptFailed),
        ..login("guest", (1, 11, 1), now())
    };
    // The later, worse outcome of the same job does not count, its session does: the key is
    // good, whatever became of this job.
    let again = Finished {
        key: failed.key,
        session: login("guest", (2, 12, 2), now()).session,
        ..failed.clone()
    };
    open.store().finish(&[failed]).await.expect("a commit");
    open.store().finish(&[again]).await.expect("a commit");
    let found = open.store().session_of_guest(&client("orders"), &app(APP), "guest").await;
    assert_eq!(found.expect("an answer").expect("a session").keys.len(), 2);
    close(&open.backend).await;
}

async fn sessions_past_their_time_are_gone(mode: Mode) {
    let open = Open::new(mode).await;
    let (orders, own) = (client("orders"), app(APP));
    let mut past = login("guest", (1, 11, 1), now());
    if let Some(session) = &mut past.session {
        session.purge_at = now() - Duration::from_secs(1);
    }
    open.store().finish(&[past]).await.expect("a commit");
    let by_guest = open.store().session_of_guest(&orders, &own, "guest").await;
    assert!(by_guest.expect("an answer").is_none());
    let by_code = open.store().session_of_code(&orders, &own, &[hash(11)]).await;
    assert!(by_code.expect("an answer").is_none());
    close(&open.backend).await;
}
