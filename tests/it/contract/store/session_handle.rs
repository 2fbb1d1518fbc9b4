//! Sessions by the handle that clients hold, and the numbers beside them.

use std::time::Duration;

use quhao_common::{
    crypto::vault::KeyedHash,
    domain::{
        finished::{Finished, NewSession},
        session_handle::HandleKey,
    },
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
};

use super::outcome::{app, client, login, now, of_session};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    a_session_is_found_by_its_handle,
    a_number_is_kept_beside_the_session_of_its_guest,
    number_is_kept_whichever_job_of_a_batch_has_it,
);

const HOUR: Duration = Duration::from_hours(1);

/// Returns the outcome with a row that goes with the next purge, so that only the session is left.
fn passing(finished: Finished) -> Finished {
    Finished { purge_at: now() - Duration::from_secs(1), ..finished }
}

async fn guests(open: &Open, hash: KeyedHash) -> Vec<String> {
    // Another hash in front: of the same number, under another secret.
    let hashes = [[0xee; 16], hash];
    let guests = open.store().guests_of_phone(&client("orders"), &app(APP), &hashes).await;
    let mut guests = guests.expect("guests");
    guests.sort_unstable();
    guests
}

async fn a_session_is_found_by_its_handle(mode: Mode) {
    let open = Open::new(mode).await;
    let (store, orders, own) = (open.store(), client("orders"), app(APP));
    let (first, second) = (login("guest", None), login("guest", None));
    store.finish(&[first.clone(), login("another", None)]).await.expect("a commit");
    store.finish(std::slice::from_ref(&second)).await.expect("a commit");

    let handle = HandleKey::of(&orders, &own, "guest");
    let found = store.session_of_handle(&orders, &own, handle).await.expect("a look-up");
    let found = found.expect("a session");
    assert_eq!(found.openid, "guest");
    let keys: Vec<_> = found.keys.iter().map(|key| key.code_hash).collect();
    let codes = [&second, &first].map(|of| of.session.as_ref().unwrap().code_hash);
    assert_eq!(keys, codes, "both keys, the current one first");

    for (name, id, handle) in [
        ("elsewhere", APP, handle),
        ("orders", APP_ELSEWHERE, handle),
        ("orders", APP, HandleKey::of(&orders, &own, "nobody")),
    ] {
        let found = store.session_of_handle(&client(name), &app(id), handle).await;
        assert!(found.expect("a look-up").is_none(), "{name} {id} {handle:?}");
    }

    let past = login("past", None);
    let session = past.session.clone().map(|of| NewSession { purge_at: now() - HOUR, ..of });
    store.finish(&[Finished { session, ..past }]).await.expect("a commit");
    let handle = HandleKey::of(&orders, &own, "past");
    let found = store.session_of_handle(&orders, &own, handle).await.expect("a look-up");
    assert!(found.is_none(), "past its time");
    close(&open.backend).await;
}

async fn a_number_is_kept_beside_the_session_of_its_guest(mode: Mode) {
    let open = Open::new(mode).await;
    let (store, number, other) = (open.store(), [1; 16], [2; 16]);
    store.finish(&[login("at login", Some(number)), login("later", None)]).await.expect("a commit");
    assert_eq!(guests(&open, number).await, ["at login"]);

    // A job that used the stored session, one of a guest without any, one without a number.
    let batch = [
        passing(of_session("later", Some(number))),
        passing(of_session("no session", Some(number))),
        passing(of_session("at login", None)),
    ];
    store.finish(&batch).await.expect("a commit");
    assert_eq!(guests(&open, number).await, ["at login", "later", "no session"], "from the jobs");
    store.purge(100).await.expect("a purge");
    assert_eq!(guests(&open, number).await, ["at login", "later"], "from the sessions");

    // A login alone does not take it away; another number does.
    store.finish(&[passing(login("later", None))]).await.expect("a commit");
    store.purge(100).await.expect("a purge");
    assert_eq!(guests(&open, number).await, ["at login", "later"]);
    store.finish(&[passing(of_session("later", Some(other)))]).await.expect("a commit");
    store.purge(100).await.expect("a purge");
    assert_eq!(guests(&open, number).await, ["at login"]);
    assert_eq!(guests(&open, other).await, ["later"]);
    let nobody = store.guests_of_phone(&client("orders"), &app(APP_ELSEWHERE), &[number]).await;
    assert!(nobody.expect("guests").is_empty());
    let nobody = store.guests_of_phone(&client("orders"), &app(APP), &[]).await;
    assert!(nobody.expect("guests").is_empty());
    close(&open.backend).await;
}

async fn number_is_kept_whichever_job_of_a_batch_has_it(mode: Mode) {
    let open = Open::new(mode).await;
    let number = [1; 16];
    let mut batch = Vec::new();
    for at in 0..20 {
        let guest = format!("guest-{at:02}");
        let mut of_guest = vec![passing(login(&guest, None))];
        of_guest.push(passing(of_session(&guest, Some(number))));
        if at % 2 == 0 {
            of_guest.reverse();
        }
        batch.extend(of_guest);
    }
    open.store().finish(&batch).await.expect("a commit");
    open.store().purge(100).await.expect("a purge");
    let expected: Vec<_> = (0..20).map(|at| format!("guest-{at:02}")).collect();
    assert_eq!(guests(&open, number).await, expected);
    close(&open.backend).await;
}
