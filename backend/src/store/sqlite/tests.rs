use std::{path::Path, time::Duration};

use tempfile::TempDir;
use time::OffsetDateTime;

use super::{
    SqliteStore,
    exchanges::merged,
    sessions::{KeptKey, KeptSession},
};
use crate::{
    sqlite_file::Database,
    store::notification::{FinishedJobs, Notification},
};
use quhao_common::{
    config::{self, StoreUrl},
    crypto::vault::Sealed,
    domain::{
        app::AppId,
        client::ClientName,
        failure::FailureCode,
        finished::{FinalState, Finished, NewSession},
        id::JobKey,
        session_handle::HandleKey,
    },
    envelope::unix_ms::{from_unix_ms, unix_ms},
};

mod plans;

const HOUR: time::Duration = time::Duration::HOUR;

async fn opened(path: &Path) -> SqliteStore {
    let limit = Duration::from_secs(10);
    let settings = config::Store {
        url: StoreUrl::Sqlite(path.to_owned()),
        connections_max: 4,
        acquire_timeout: limit,
        statement_timeout: limit,
        retention: limit,
        session_retention: limit,
    };
    let store = SqliteStore::open(Database::open(path).await.unwrap(), &settings);
    store.migrate().await.unwrap();
    store
}

fn now() -> OffsetDateTime {
    from_unix_ms(unix_ms(OffsetDateTime::now_utc())).unwrap()
}

fn key(number: usize) -> JobKey {
    JobKey::from_bytes((number as u128).to_be_bytes())
}

fn owner() -> (ClientName, AppId) {
    (ClientName::new("orders").unwrap(), AppId::new("wx1").unwrap())
}

fn finished(number: usize, final_state: FinalState, answer: &str) -> Finished {
    let (client, app) = owner();
    Finished {
        key: key(number),
        client,
        app,
        final_state,
        created_at: now(),
        expires_at: now() + HOUR,
        taken_at: None,
        finished_at: now(),
        purge_at: now() + HOUR,
        answer: Sealed::from_bytes(answer.as_bytes().to_vec()),
        openid: Some("guest".to_owned()),
        guest_hash: None,
        phone_hash: Some([7; 16]),
        callback: None,
        session: None,
    }
}

fn exchanged(number: u8, key: u8, at: OffsetDateTime) -> Finished {
    let session = NewSession {
        openid: "guest".to_owned(),
        handle: HandleKey::of(&owner().0, &owner().1, "guest"),
        unionid: (number == 1).then(|| "union".to_owned()),
        key: Sealed::from_bytes(vec![key]),
        key_hash: [key; 16],
        code_hash: [number; 16],
        exchanged_at: at,
        purge_at: now() + HOUR,
    };
    Finished {
        session: Some(session),
        ..finished(usize::from(number), FinalState::Succeeded, "whole")
    }
}

async fn answer(store: &SqliteStore, number: usize) -> Option<Vec<u8>> {
    let mut answers = store.answers(&[key(number)]).await.unwrap();
    assert!(answers.len() <= 1);
    answers.pop().and_then(|answer| answer.answer).map(Sealed::into_bytes)
}

#[tokio::test]
async fn statement_improves_answers_by_the_seams_rule() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    let failures = FailureCode::ALL.iter().copied().map(FinalState::Failed);
    let states: Vec<FinalState> = failures.chain([FinalState::Succeeded]).collect();
    let pairs: Vec<(FinalState, FinalState)> =
        states.iter().flat_map(|a| states.iter().map(|b| (*a, *b))).collect();
    let batch = |pick: fn(&(FinalState, FinalState)) -> FinalState, text| -> Vec<Finished> {
        pairs.iter().enumerate().map(|(at, pair)| finished(at, pick(pair), text)).collect()
    };
    store.finish(&batch(|pair| pair.0, "first")).await.unwrap();
    store.finish(&batch(|pair| pair.1, "second")).await.unwrap();
    for (at, (first, second)) in pairs.iter().enumerate() {
        let expected: &[u8] = if second.replaces(*first) { b"second" } else { b"first" };
        let kept = answer(&store, at).await.unwrap();
        assert_eq!(kept, expected, "{first:?}, then {second:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn row_past_its_retention_is_gone_and_replaced() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    let mut old = exchanged(1, 1, now() - HOUR);
    old.purge_at = now() - time::Duration::SECOND;
    old.session.as_mut().unwrap().purge_at = old.purge_at;
    let fresh = finished(2, FinalState::Succeeded, "fresh");
    store.finish(&[old, fresh.clone()]).await.unwrap();
    let jobs = [1, 2, 3].map(|number| (key(number), now()));
    assert_eq!(store.answered(&jobs).await.unwrap(), [key(2)].into());
    assert_eq!(answer(&store, 1).await, None);
    let (client, app) = owner();
    assert!(store.session_of_guest(&client, &app, "guest").await.unwrap().is_none());
    assert!(store.session_of_code(&client, &app, &[[1; 16]]).await.unwrap().is_none());

    let failed = FinalState::Failed(FailureCode::CodeInvalid);
    store.finish(&[finished(1, failed, "new"), exchanged(3, 3, now() - 2 * HOUR)]).await.unwrap();
    assert_eq!(answer(&store, 1).await.unwrap(), b"new");
    let session = store.session_of_guest(&client, &app, "guest").await.unwrap().unwrap();
    assert_eq!((session.keys.len(), session.unionid), (1, None));

    let kept = &store.answers(&[key(2)]).await.unwrap()[0];
    assert_eq!((kept.created_at, kept.expires_at), (fresh.created_at, fresh.expires_at));
    assert_eq!((kept.finished_at, kept.purge_at), (fresh.finished_at, fresh.purge_at));
    store.close().await;
}

#[tokio::test]
async fn last_two_keys_are_found_by_guest_and_by_code() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    let (client, app) = owner();
    let start = now();
    // Codes 1 to 4 gave keys 1, 1, 2, 3; in one batch, in no order, and twice.
    let at = |seconds| start + time::Duration::seconds(seconds);
    let batch = [
        exchanged(3, 2, at(3)),
        exchanged(1, 1, at(1)),
        exchanged(4, 3, at(4)),
        exchanged(2, 1, at(2)),
    ];
    for _ in 0..2 {
        store.finish(&batch).await.unwrap();
        let session = store.session_of_guest(&client, &app, "guest").await.unwrap().unwrap();
        let keys: Vec<(u8, u8)> =
            session.keys.iter().map(|key| (key.key.as_bytes()[0], key.code_hash[0])).collect();
        assert_eq!(keys, [(3, 4), (2, 3)]);
        assert_eq!(session.unionid.as_deref(), Some("union"));
        assert_eq!(session.keys[0].exchanged_at, at(4));
    }
    for (code, found) in [(4, true), (3, true), (2, false), (1, false)] {
        let session = store.session_of_code(&client, &app, &[[99; 16], [code; 16]]).await.unwrap();
        assert_eq!(session.is_some(), found, "code {code}");
    }
    let other = ClientName::new("another").unwrap();
    assert!(store.session_of_code(&other, &app, &[[4; 16]]).await.unwrap().is_none());
    assert!(store.session_of_guest(&other, &app, "guest").await.unwrap().is_none());
    store.close().await;
}

#[test]
fn keys_shift_by_the_time_of_their_exchange() {
    fn made(name: u8, at: i64) -> KeptKey {
        let code_hash = vec![u8::try_from(at).unwrap()];
        KeptKey { sealed: vec![name], hash: vec![name], code_hash, exchanged_at: at }
    }
    fn session(current: (u8, i64), previous: Option<(u8, i64)>) -> KeptSession {
        KeptSession {
            unionid: None,
            phone_hash: None,
            current: made(current.0, current.1),
            previous: previous.map(|(name, at)| made(name, at)),
            purge_at: 100,
        }
    }
    // Kept, new, what becomes of it. A key is its name and the time of its exchange.
    let table = [
        ("the same key again", session((1, 5), None), (1, 6), session((1, 6), None)),
        (
            "again, with one before",
            session((2, 5), Some((1, 3))),
            (2, 6),
            session((2, 6), Some((1, 3))),
        ),
        ("another key", session((1, 5), None), (2, 6), session((2, 6), Some((1, 5)))),
        ("a third key", session((2, 5), Some((1, 3))), (3, 6), session((3, 6), Some((2, 5)))),
        (
            "back to the one before",
            session((2, 5), Some((1, 3))),
            (1, 6),
            session((1, 6), Some((2, 5))),
        ),
        ("at the same time", session((1, 5), None), (2, 5), session((2, 5), Some((1, 5)))),
        ("late, the same key", session((1, 5), None), (1, 4), session((1, 5), None)),
        ("late, another key", session((2, 5), None), (1, 4), session((2, 5), Some((1, 4)))),
        ("late, between", session((3, 5), Some((1, 3))), (2, 4), session((3, 5), Some((2, 4)))),
        ("too late", session((3, 5), Some((2, 4))), (1, 3), session((3, 5), Some((2, 4)))),
        (
            "as old as the one before",
            session((3, 5), Some((2, 4))),
            (1, 4),
            session((3, 5), Some((2, 4))),
        ),
    ];
    for (what, kept, new, expected) in table {
        assert_eq!(merged(kept, session(new, None)), expected, "{what}");
    }

    let named = |name: Option<&str>, at: i64, purge_at| KeptSession {
        unionid: name.map(str::to_owned),
        purge_at,
        ..session((1, at), None)
    };
    let union = |kept, new| {
        let session = merged(kept, new);
        (session.unionid, session.purge_at)
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(union(named(Some("a"), 5, 9), named(None, 6, 8)), (some("a"), 9));
    assert_eq!(union(named(Some("a"), 5, 9), named(Some("b"), 6, 10)), (some("b"), 10));
    assert_eq!(union(named(Some("a"), 5, 9), named(Some("b"), 4, 10)), (some("a"), 10));
}

#[test]
fn phone_stays_until_a_later_exchange_brings_another() {
    let session = |number: Option<u8>, exchanged_at: i64| KeptSession {
        unionid: None,
        phone_hash: number.map(|number| vec![number]),
        current: KeptKey { sealed: vec![1], hash: vec![1], code_hash: vec![1], exchanged_at },
        previous: None,
        purge_at: 100,
    };
    for (kept, new, left) in [
        (session(None, 5), session(Some(1), 6), Some(1)),
        (session(None, 5), session(Some(1), 4), Some(1)),
        (session(Some(1), 5), session(None, 6), Some(1)),
        (session(Some(1), 5), session(Some(2), 6), Some(2)),
        (session(Some(1), 5), session(Some(2), 4), Some(1)),
    ] {
        assert_eq!(merged(kept, new).phone_hash, left.map(|number| vec![number]));
    }
}

#[tokio::test]
async fn listeners_are_notified_of_commits_and_gaps() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    let mut notifications = store.listen();
    let failed = FinalState::Failed(FailureCode::NoPhone);
    let batch = [finished(2, failed, "a"), finished(1, failed, "b"), finished(2, failed, "c")];
    store.finish(&batch).await.unwrap();
    assert_eq!(notifications.next().await.finished, FinishedJobs::Keys(vec![key(1), key(2)]));
    store.finish(&[]).await.unwrap();
    for number in 0..=crate::store::sqlite::NOTIFICATIONS_MAX {
        store.finish(&[finished(number, failed, "d")]).await.unwrap();
    }
    assert_eq!(notifications.next().await, Notification::gap());
    assert_eq!(notifications.next().await.finished, FinishedJobs::Keys(vec![key(1)]));
    store.close().await;
}
