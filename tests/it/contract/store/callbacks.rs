//! Callbacks: due with the answer they tell of, listed, and tried again.

use std::time::Duration;

use quhao_backend::store::{
    AttemptEnd, Attempted, CallbackFilter, Claim, DueCallback, Store, Tombstone,
};
use quhao_common::domain::{
    callback_status::{CallbackState, CallbackStatus},
    callback_target::CallbackEvent::{self, Failed, Succeeded},
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobKey,
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    wait::{PATIENCE, eventually},
};

use super::outcome::{app, finished, now, with_callback};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    callback_is_due_from_its_answers_commit_on,
    success_cancels_an_unsent_failure_callback,
    a_success_does_not_unsend_word_of_a_failure,
    job_resubmitted_after_purge_gets_a_new_callback,
    callbacks_are_listed_newest_first,
    operator_makes_failed_callbacks_due_again,
);

const FAILED: FinalState = FinalState::Failed(FailureCode::CodeAlreadyUsed);

pub(super) const ALL: CallbackFilter =
    CallbackFilter { key: None, app: None, status: None, max: 1000 };

/// Returns the callbacks of a job, by their events.
pub(super) async fn of_job(store: &Store, key: JobKey) -> Vec<CallbackState> {
    let filter = CallbackFilter { key: Some(key), ..ALL };
    let mut found = store.callbacks(&filter).await.expect("callbacks");
    assert!(found.iter().all(|of| of.key == key));
    found.sort_by_key(|of| of.event);
    found
}

/// Returns the status of each callback of a job.
pub(super) async fn statuses(store: &Store, key: JobKey) -> Vec<(CallbackEvent, CallbackStatus)> {
    of_job(store, key).await.into_iter().map(|of| (of.event, of.status)).collect()
}

/// Claims everything that is due, for an hour.
pub(super) async fn claim_all(store: &Store) -> Vec<DueCallback> {
    let claim = Claim { max: 1000, lease: Duration::from_hours(1), except: &[] };
    store.claim_callbacks(claim).await.expect("a claim")
}

/// Returns the record of how a claimed attempt ended.
pub(super) fn ended(due: &DueCallback, end: AttemptEnd) -> Attempted {
    Attempted {
        key: due.key,
        event: due.event,
        attempt: due.attempt,
        status: Some(503),
        error: Some("status"),
        end,
        at: now(),
    }
}

async fn callback_is_due_from_its_answers_commit_on(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (called_back, silent) =
        (with_callback(FinalState::Succeeded), finished(FinalState::Succeeded));
    let failed = with_callback(FAILED);
    store.finish(&[called_back.clone(), silent.clone(), failed.clone()]).await.expect("a commit");

    let due = of_job(store, called_back.key).await.remove(0);
    assert_eq!((due.event, due.status, due.attempts), (Succeeded, CallbackStatus::Due, 0));
    assert_eq!((&due.client, &due.app), (&called_back.client, &called_back.app));
    assert_eq!(due.due_at, Some(due.created_at));
    assert!((now() - due.created_at).abs() < Duration::from_mins(1), "due at once");
    assert_eq!((due.last_status, due.last_error, due.finished_at), (None, None, None));
    assert_eq!(statuses(store, failed.key).await, [(Failed, CallbackStatus::Due)]);
    assert_eq!(statuses(store, silent.key).await, []);

    // Outcomes that were not written: there is no further event.
    let late = |of: &Finished, final_state| Finished { key: of.key, ..with_callback(final_state) };
    let batch = [late(&called_back, FAILED), late(&failed, FAILED), late(&silent, FAILED)];
    store.finish(&batch).await.expect("a commit");
    assert_eq!(statuses(store, called_back.key).await, [(Succeeded, CallbackStatus::Due)]);
    assert_eq!(statuses(store, failed.key).await, [(Failed, CallbackStatus::Due)]);
    assert_eq!(statuses(store, silent.key).await, []);
    close(&open.backend).await;
}

async fn success_cancels_an_unsent_failure_callback(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let expected = [(Failed, CallbackStatus::Cancelled), (Succeeded, CallbackStatus::Due)];
    // One that nobody sends yet, one that somebody is about to, one that waits for its next
    // attempt.
    for attempts in 0..3 {
        let failed = with_callback(FAILED);
        store.finish(std::slice::from_ref(&failed)).await.expect("a commit");
        let claimed = if attempts > 0 { claim_all(store).await } else { Vec::new() };
        let again = AttemptEnd::Again { due_at: now() + Duration::from_hours(1) };
        if attempts > 1 {
            store.record_callbacks(&[ended(&claimed[0], again)]).await.expect("a record");
        }
        let success = Finished { key: failed.key, ..with_callback(FinalState::Succeeded) };
        store.finish(&[success]).await.expect("a commit");
        assert_eq!(statuses(store, failed.key).await, expected);
        let cancelled = of_job(store, failed.key).await.remove(0);
        assert_eq!(cancelled.due_at, None);
        assert!(cancelled.finished_at.is_some());

        // The attempt under way ends; it is not for it to say any more.
        for due in claimed {
            store.record_callbacks(&[ended(&due, again)]).await.expect("a record");
        }
        assert_eq!(statuses(store, failed.key).await, expected);
        let claimed = claim_all(store).await;
        let claimed: Vec<_> = claimed.iter().map(|due| (due.key, due.event)).collect();
        assert_eq!(claimed, [(failed.key, Succeeded)]);
    }
    // Within a batch the failure makes no callback at all.
    let failed = with_callback(FAILED);
    let success = Finished { key: failed.key, ..with_callback(FinalState::Succeeded) };
    store.finish(&[failed.clone(), success]).await.expect("a commit");
    assert_eq!(statuses(store, failed.key).await, [(Succeeded, CallbackStatus::Due)]);
    close(&open.backend).await;
}

async fn a_success_does_not_unsend_word_of_a_failure(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let failed = with_callback(FAILED);
    store.finish(std::slice::from_ref(&failed)).await.expect("a commit");
    let claimed = claim_all(store).await;
    let sent = ended(&claimed[0], AttemptEnd::Delivered);
    store.record_callbacks(&[sent]).await.expect("a record");
    let success = Finished { key: failed.key, ..with_callback(FinalState::Succeeded) };
    store.finish(&[success]).await.expect("a commit");
    assert_eq!(
        statuses(store, failed.key).await,
        [(Failed, CallbackStatus::Delivered), (Succeeded, CallbackStatus::Due)]
    );
    close(&open.backend).await;
}

async fn job_resubmitted_after_purge_gets_a_new_callback(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let old = with_callback(FinalState::Succeeded);
    let old = Finished { purge_at: now() + Duration::from_millis(300), ..old };
    store.finish(std::slice::from_ref(&old)).await.expect("a commit");
    let sent: Vec<_> =
        claim_all(store).await.iter().map(|due| ended(due, AttemptEnd::Delivered)).collect();
    store.record_callbacks(&sent).await.expect("a record");
    // Its row is still there, and counts as gone.
    eventually("the end of its time", PATIENCE, async || {
        statuses(store, old.key).await.is_empty().then_some(())
    })
    .await;
    let new = Finished { key: old.key, ..with_callback(FinalState::Succeeded) };
    store.finish(std::slice::from_ref(&new)).await.expect("a commit");
    let due = of_job(store, old.key).await.remove(0);
    assert_eq!((due.status, due.attempts), (CallbackStatus::Due, 0));
    assert_eq!((due.last_status, due.finished_at), (None, None));
    let claimed = claim_all(store).await;
    assert!(claimed.len() == 1 && claimed[0].answer.answer.as_ref() == Some(&new.answer));
    close(&open.backend).await;
}

async fn callbacks_are_listed_newest_first(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let mut keys = Vec::new();
    for at in 0..6 {
        let elsewhere = if at % 2 == 0 { APP } else { APP_ELSEWHERE };
        let one = Finished { app: app(elsewhere), ..with_callback(FinalState::Succeeded) };
        keys.insert(0, one.key);
        store.finish(&[one]).await.expect("a commit");
        // The next one is younger in every database's precision.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let list = async |filter: CallbackFilter| -> Vec<JobKey> {
        let found = store.callbacks(&filter).await.expect("callbacks");
        found.iter().map(|of| of.key).collect()
    };
    assert_eq!(list(ALL).await, keys);
    assert_eq!(list(CallbackFilter { max: 2, ..ALL }).await, keys[..2]);
    let of_app = CallbackFilter { app: Some(app(APP)), ..ALL };
    assert_eq!(list(of_app.clone()).await, [keys[1], keys[3], keys[5]]);
    assert_eq!(list(CallbackFilter { key: Some(keys[1]), ..of_app.clone() }).await, [keys[1]]);
    assert!(list(CallbackFilter { key: Some(keys[0]), ..of_app.clone() }).await.is_empty());

    let claimed = claim_all(store).await;
    let (sent, failed) = claimed.split_at(2);
    let sent = sent.iter().map(|due| ended(due, AttemptEnd::Delivered));
    let failed = failed.iter().map(|due| ended(due, AttemptEnd::Failed));
    store.record_callbacks(&sent.chain(failed).collect::<Vec<_>>()).await.expect("a record");
    let of = |status| CallbackFilter { status: Some(status), ..ALL };
    assert_eq!(list(of(CallbackStatus::Delivered)).await, keys[4..]);
    assert_eq!(list(of(CallbackStatus::Failed)).await, keys[..4]);
    assert!(list(of(CallbackStatus::Due)).await.is_empty());
    let both = CallbackFilter { status: Some(CallbackStatus::Failed), ..of_app };
    assert_eq!(list(both).await, [keys[1], keys[3]]);
    close(&open.backend).await;
}

async fn operator_makes_failed_callbacks_due_again(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let batch: Vec<_> = (0..4).map(|_| with_callback(FinalState::Succeeded)).collect();
    store.finish(&batch).await.expect("a commit");
    let mut claimed = claim_all(store).await;
    claimed.sort_by_key(|due| batch.iter().position(|of| of.key == due.key));
    let given_up = |due| ended(due, AttemptEnd::Failed);
    let mut ends: Vec<_> = claimed.iter().map(given_up).collect();
    ends[3].end = AttemptEnd::Delivered;
    store.record_callbacks(&ends).await.expect("a record");
    let failed = of_job(store, batch[0].key).await.remove(0);
    assert_eq!((failed.last_status, failed.last_error.as_deref()), (Some(503), Some("status")));
    assert_eq!((failed.due_at, failed.finished_at), (None, Some(ends[0].at)));

    let (key, app) = (batch[1].key, app(APP));
    let tombstone = Tombstone {
        key,
        client: batch[1].client.clone(),
        app: app.clone(),
        erased_at: now(),
        purge_at: now() + Duration::from_hours(1),
    };
    store.erase_job(&tombstone).await.expect("an erasure");
    let retry = async |filter: CallbackFilter| store.retry_callbacks(&filter).await.expect("some");
    assert_eq!(retry(CallbackFilter { key: Some(key), ..ALL }).await, 0, "nothing is left to tell");
    let delivered = CallbackFilter { key: Some(batch[3].key), ..ALL };
    assert_eq!(retry(delivered).await, 0, "the receiver has it");
    let due = CallbackFilter { status: Some(CallbackStatus::Due), ..ALL };
    assert_eq!(retry(due).await, 0, "none of those that failed");
    assert_eq!(retry(CallbackFilter { max: 1, app: Some(app), ..ALL }).await, 1);
    assert_eq!(retry(ALL).await, 1, "the one that was left");
    assert_eq!(retry(ALL).await, 0);
    for job in [&batch[0], &batch[2]] {
        let due = of_job(store, job.key).await.remove(0);
        assert_eq!((due.status, due.attempts), (CallbackStatus::Due, 0));
        assert_eq!((due.due_at, due.finished_at), (Some(due.created_at), None));
        assert!(due.created_at >= failed.created_at, "its time begins again");
    }
    assert_eq!(claim_all(store).await.len(), 2);
    close(&open.backend).await;
}
