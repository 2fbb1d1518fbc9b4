//! Erasure of an answer: what is there goes, what is under way is kept out.

use std::time::Duration;

use quhao_backend::store::{Store, StoredSession, Tombstone};
use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        answer::StoredAnswer,
        failure::FailureCode,
        finished::{FinalState, Finished},
        id::JobKey,
    },
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
};

use super::{
    callbacks::statuses,
    outcome::{app, client, finished, known, login, now, with_callback},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    an_erased_answer_leaves_the_fact_alone,
    an_answer_that_is_to_come_is_kept_out,
    a_gone_answer_is_none,
);

const HOUR: Duration = Duration::from_hours(1);

pub(super) fn tombstone(of: &Finished) -> Tombstone {
    Tombstone {
        key: of.key,
        client: of.client.clone(),
        app: of.app.clone(),
        erased_at: now(),
        purge_at: now() + HOUR,
    }
}

pub(super) async fn answer(store: &Store, key: JobKey) -> Option<StoredAnswer> {
    let mut answers = store.answers(&[key]).await.expect("answers");
    assert_eq!(known(store, &[key]).await.len(), answers.len());
    answers.pop()
}

/// Returns whether the job's row says no more than that it was erased.
pub(super) async fn is_erased(store: &Store, key: JobKey) -> bool {
    answer(store, key).await.is_some_and(|row| row.answer.is_none())
}

pub(super) async fn sealed(store: &Store, of: &Finished) -> Option<Sealed> {
    answer(store, of.key).await.and_then(|row| row.answer)
}

pub(super) async fn session(store: &Store, openid: &str) -> Option<StoredSession> {
    let found = store.session_of_guest(&client("orders"), &app(APP), openid).await;
    found.expect("a look-up")
}

async fn an_erased_answer_leaves_the_fact_alone(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (one, other) = (login("guest", Some([1; 16])), login("guest", Some([1; 16])));
    store.finish(&[one.clone(), other.clone()]).await.expect("a commit");

    for foreign in [
        Tombstone { client: client("elsewhere"), ..tombstone(&one) },
        Tombstone { app: app(APP_ELSEWHERE), ..tombstone(&one) },
    ] {
        assert!(!store.erase_job(&foreign).await.expect("an erasure"));
        assert!(sealed(store, &one).await.as_ref() == Some(&one.answer), "another's");
    }
    assert!(store.erase_job(&tombstone(&one)).await.expect("an erasure"));
    let row = answer(store, one.key).await.expect("the fact");
    assert!(row.answer.is_none());
    assert_eq!((row.created_at, row.expires_at), (one.created_at, one.expires_at));
    assert_eq!((row.finished_at, row.purge_at), (one.finished_at, one.purge_at));
    assert!(!store.erase_job(&tombstone(&one)).await.expect("an erasure"), "it is gone already");

    // Nothing brings it back, and nothing else went.
    for final_state in [FinalState::Succeeded, FinalState::Failed(FailureCode::SessionLost)] {
        let again = Finished { final_state, ..one.clone() };
        store.finish(&[again]).await.expect("a commit");
        assert!(is_erased(store, one.key).await, "{final_state:?}");
    }
    assert!(sealed(store, &other).await.as_ref() == Some(&other.answer));
    assert!(session(store, "guest").await.is_some());
    close(&open.backend).await;
}

async fn an_answer_that_is_to_come_is_kept_out(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let late = with_callback(FinalState::Succeeded);
    let tombstone = tombstone(&late);
    assert!(!store.erase_job(&tombstone).await.expect("an erasure"), "there is none yet");
    let row = answer(store, late.key).await.expect("the fact");
    assert_eq!((row.finished_at, row.purge_at), (tombstone.erased_at, tombstone.purge_at));
    store.finish(std::slice::from_ref(&late)).await.expect("a commit");
    assert!(is_erased(store, late.key).await);
    assert_eq!(statuses(store, late.key).await, []);
    close(&open.backend).await;
}

async fn a_gone_answer_is_none(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let gone = Finished { purge_at: now() - HOUR, ..finished(FinalState::Succeeded) };
    store.finish(std::slice::from_ref(&gone)).await.expect("a commit");
    let tombstone = tombstone(&gone);
    assert!(!store.erase_job(&tombstone).await.expect("an erasure"));
    let row = answer(store, gone.key).await.expect("the fact");
    assert_eq!((row.answer.is_none(), row.purge_at), (true, tombstone.purge_at));
    close(&open.backend).await;
}
