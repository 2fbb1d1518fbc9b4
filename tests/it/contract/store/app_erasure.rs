//! Erasure of a whole app, a part at a time.

use std::time::Duration;

use quhao_backend::store::{AppErased, AppErasure, Erased, Store};
use quhao_common::domain::{
    callback_status::CallbackStatus,
    callback_target::CallbackEvent,
    finished::{FinalState, Finished},
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
};

use super::{
    callbacks::statuses,
    job_erasure::is_erased,
    outcome::{self, app, client, finished, login, now, with_callback},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    an_app_is_erased_in_parts_and_nothing_else,
    outcomes_of_an_erased_app_are_not_stored,
    an_empty_store_is_erased_at_once,
);

/// More than a part in each table.
const ROWS: usize = 1300;

fn of_app(id: &str) -> AppErasure {
    AppErasure {
        app: app(id),
        erased_at: now(),
        purge_at: now() + Duration::from_hours(1),
        after: None,
    }
}

async fn part(store: &Store, erasure: &mut AppErasure) -> AppErased {
    let part = store.erase_app(erasure).await.expect("a part");
    erasure.after.clone_from(&part.next);
    part
}

/// Returns a login at each of two clients' apps, one with the app's name.
fn logins(at: usize) -> [Finished; 2] {
    let elsewhere = Finished { app: app(APP_ELSEWHERE), ..finished(FinalState::Succeeded) };
    let of = |finished: Finished, name: &str| {
        let (client, openid) = (client(name), format!("guest-{at}"));
        let session = Some(outcome::session((&client, &finished.app), &openid));
        Finished { client, session, openid: Some(openid), ..finished }
    };
    let name = if at.is_multiple_of(2) { "orders" } else { "another" };
    [of(finished(FinalState::Succeeded), name), of(elsewhere, name)]
}

async fn an_app_is_erased_in_parts_and_nothing_else(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let batch: Vec<_> = (0..ROWS).flat_map(logins).collect();
    for part in batch.chunks(500) {
        store.finish(part).await.expect("a commit");
    }
    let called_back = with_callback(FinalState::Succeeded);
    store.finish(std::slice::from_ref(&called_back)).await.expect("a commit");

    let mut erasure = of_app(APP);
    let mut erased = Erased::default();
    for parts in 0.. {
        assert!(parts <= 7, "each part takes the next rows");
        let AppErased { erased: part, next } = part(store, &mut erasure).await;
        assert!(part.answers + part.sessions <= 1000);
        erased.answers += part.answers;
        erased.sessions += part.sessions;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(erased, Erased { answers: ROWS as u64 + 1, sessions: ROWS as u64 });
    let keys: Vec<_> = batch.iter().map(|job| job.key).collect();
    let left = store.answers(&keys).await.expect("answers");
    assert_eq!(left.len(), batch.len(), "the facts stay");
    let left: Vec<_> = left.iter().filter(|row| row.answer.is_some()).map(|row| row.key).collect();
    assert_eq!(left.len(), ROWS);
    for job in &batch {
        let openid = job.openid.as_deref().unwrap();
        let found = store.session_of_guest(&job.client, &job.app, openid).await;
        let (of_app, found) = (job.app == app(APP), found.expect("a look-up").is_some());
        assert_eq!((found, left.contains(&job.key)), (!of_app, !of_app), "{openid}");
    }
    let cancelled = [(CallbackEvent::Succeeded, CallbackStatus::Cancelled)];
    assert_eq!(statuses(store, called_back.key).await, cancelled);
    close(&open.backend).await;
}

async fn outcomes_of_an_erased_app_are_not_stored(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let mut erasure = of_app(APP);
    part(store, &mut erasure).await;
    let elsewhere = Finished { app: app(APP_ELSEWHERE), ..finished(FinalState::Succeeded) };
    let later = Finished {
        created_at: erasure.erased_at + time::Duration::MILLISECOND,
        ..login("later", None)
    };
    let batch =
        [login("earlier", None), finished(FinalState::Succeeded), elsewhere.clone(), later.clone()];
    store.finish(&batch).await.expect("a commit");
    while part(store, &mut erasure).await.next.is_some() {}
    assert!(is_erased(store, batch[0].key).await && is_erased(store, batch[1].key).await);
    let found = store.session_of_guest(&client("orders"), &app(APP), "earlier").await;
    assert!(found.expect("a look-up").is_none());
    for job in [elsewhere, later] {
        assert!(!is_erased(store, job.key).await);
    }
    close(&open.backend).await;
}

async fn an_empty_store_is_erased_at_once(mode: Mode) {
    let open = Open::new(mode).await;
    let mut erasure = of_app(APP);
    let first = part(open.store(), &mut erasure).await;
    assert_eq!(first.erased, Erased::default());
    assert!(part(open.store(), &mut erasure).await.next.is_none());
    close(&open.backend).await;
}
