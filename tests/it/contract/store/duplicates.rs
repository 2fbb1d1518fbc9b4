//! Copies of a job, each with a deadline of its own: for which of them an answer holds.

use std::time::Duration;

use quhao_backend::store::Store;
use quhao_common::domain::{
    answer::AnswerValidity,
    callback_status::CallbackStatus,
    callback_target::CallbackEvent::{Failed, Succeeded},
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobKey,
};
use quhao_tests::{config::Mode, in_both_modes};
use time::OffsetDateTime;

use super::{
    callbacks::statuses,
    job_erasure::{answer, tombstone},
    outcome::{finished, now, with_callback},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    that_a_deadline_passed_says_nothing_of_a_later_one,
    later_duplicate_replaces_a_passed_deadline,
    a_failure_holds_for_later_copies_that_failed_too,
    so_it_does_within_a_batch,
);

const EXPIRED: FinalState = FinalState::Failed(FailureCode::DeadlineExceeded);
const INVALID: FinalState = FinalState::Failed(FailureCode::CodeInvalid);
const LATER: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);

/// Returns whether a duplicate of that job with this deadline is answered already.
async fn is_known(store: &Store, key: JobKey, expires_at: OffsetDateTime) -> bool {
    !store.answered(&[(key, expires_at)]).await.expect("known").is_empty()
}

/// Returns the outcome of a duplicate of `first` whose deadline is `later` after it.
fn copy(first: &Finished, later: Duration, final_state: FinalState) -> Finished {
    let (expires_at, purge_at) = (first.expires_at + later, first.purge_at + later);
    Finished { key: first.key, expires_at, purge_at, ..with_callback(final_state) }
}

async fn commit(store: &Store, finished: &Finished) {
    store.finish(std::slice::from_ref(finished)).await.expect("a commit");
}

async fn that_a_deadline_passed_says_nothing_of_a_later_one(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let failures = FailureCode::ALL.iter().map(|code| FinalState::Failed(*code));
    for final_state in failures.chain([FinalState::Succeeded]) {
        let row = finished(final_state);
        commit(store, &row).await;
        assert!(is_known(store, row.key, row.expires_at).await, "{final_state:?}");
        assert!(is_known(store, row.key, row.expires_at - HOUR).await, "{final_state:?}");
        let holds = is_known(store, row.key, row.expires_at + LATER).await;
        assert_eq!(holds, final_state != EXPIRED, "{final_state:?}");
        let validity = answer(store, row.key).await.expect("an answer").validity;
        let expected =
            if holds { AnswerValidity::Always } else { AnswerValidity::Until(row.expires_at) };
        assert_eq!(validity, expected, "{final_state:?}");
    }
    // What was erased stays erased.
    let row = finished(EXPIRED);
    commit(store, &row).await;
    assert!(store.erase_job(&tombstone(&row)).await.expect("an erasure"));
    assert!(is_known(store, row.key, row.expires_at + HOUR).await);
    close(&open.backend).await;
}

async fn later_duplicate_replaces_a_passed_deadline(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let first = Finished { callback: Some(now() + HOUR), ..finished(EXPIRED) };
    let second = copy(&first, HOUR, FinalState::Succeeded);
    commit(store, &first).await;
    commit(store, &second).await;
    let row = answer(store, first.key).await.expect("an answer");
    assert!(row.answer.as_ref() == Some(&second.answer));
    assert_eq!((row.expires_at, row.validity), (second.expires_at, AnswerValidity::Always));
    let due = [(Failed, CallbackStatus::Cancelled), (Succeeded, CallbackStatus::Due)];
    assert_eq!(statuses(store, first.key).await, due);
    close(&open.backend).await;
}

/// Checks that `store` has the answer of `first`, and that it holds until `expires_at`.
async fn assert_first_holds(store: &Store, first: &Finished, expires_at: OffsetDateTime) {
    let row = answer(store, first.key).await.expect("an answer");
    assert!(row.answer.as_ref() == Some(&first.answer), "of two failures the first stays");
    assert_eq!(row.validity, AnswerValidity::Until(expires_at));
    assert_eq!(row.purge_at - row.expires_at, first.purge_at - first.expires_at);
    assert!(is_known(store, first.key, expires_at).await);
    assert!(!is_known(store, first.key, expires_at + LATER).await);
    let callbacks = statuses(store, first.key).await;
    assert_eq!(callbacks, [(Failed, CallbackStatus::Due)], "its event is sent once");
}

async fn a_failure_holds_for_later_copies_that_failed_too(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let first = with_callback(EXPIRED);
    commit(store, &first).await;
    let mut latest = 0;
    for (later, final_state) in [(1, INVALID), (2, EXPIRED), (0, INVALID), (1, EXPIRED)] {
        commit(store, &copy(&first, HOUR * later, final_state)).await;
        latest = latest.max(later);
        assert_first_holds(store, &first, first.expires_at + HOUR * latest).await;
    }
    close(&open.backend).await;
}

async fn so_it_does_within_a_batch(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (first, other) = (with_callback(EXPIRED), with_callback(INVALID));
    let batch = [
        first.clone(),
        copy(&first, HOUR, INVALID),
        copy(&first, 3 * HOUR, EXPIRED),
        copy(&first, 2 * HOUR, INVALID),
        other.clone(),
        copy(&other, HOUR, EXPIRED),
    ];
    store.finish(&batch).await.expect("a commit");
    assert_first_holds(store, &first, first.expires_at + 3 * HOUR).await;
    let row = answer(store, other.key).await.expect("an answer");
    assert_eq!((row.expires_at, row.validity), (other.expires_at, AnswerValidity::Always));
    close(&open.backend).await;
}
