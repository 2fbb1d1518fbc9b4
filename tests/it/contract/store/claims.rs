//! Sending: one claim at a time, with an end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use quhao_backend::store::{AttemptEnd, Claim, DueCallback, Store, Tombstone};
use quhao_common::domain::{
    callback_status::CallbackStatus,
    callback_target::CallbackEvent,
    finished::{FinalState, Finished},
};
use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, eventually},
};

use super::{
    callbacks::{claim_all, ended, of_job, statuses},
    outcome::{client, now, with_callback},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    the_longest_due_is_claimed_first_and_once,
    word_that_is_due_later_is_not_claimed_before,
    record_of_an_outdated_claim_does_not_count,
    an_attempt_is_followed_by_what_its_record_says,
    two_claimers_never_get_the_same_callback,
    clients_that_are_left_out_hold_up_nobody,
    what_has_no_answer_any_more_is_not_claimed,
);

const HOUR: Duration = Duration::from_hours(1);

async fn claim(store: &Store, max: u32, lease: Duration) -> Vec<DueCallback> {
    store.claim_callbacks(Claim { max, lease, except: &[] }).await.expect("a claim")
}

async fn the_longest_due_is_claimed_first_and_once(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let mut batch = Vec::new();
    for at in 0..5 {
        let name = ["orders", "another", "third"][at % 3];
        let one = Finished { client: client(name), ..with_callback(FinalState::Succeeded) };
        store.finish(std::slice::from_ref(&one)).await.expect("a commit");
        batch.push(one);
        // The next one is younger in every database's precision.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut claimed = claim(store, 2, HOUR).await;
    claimed.extend(claim(store, 2, HOUR).await);
    claimed.extend(claim(store, 2, HOUR).await);
    assert!(claim(store, 2, HOUR).await.is_empty(), "all are claimed");
    assert_eq!(claimed.len(), batch.len());
    for (due, job) in claimed.iter().zip(&batch) {
        assert_eq!((due.key, due.event), (job.key, CallbackEvent::Succeeded));
        assert_eq!((&due.client, &due.app, due.attempt), (&job.client, &job.app, 1));
        assert!(due.answer.answer.as_ref() == Some(&job.answer), "with the answer");
        assert_eq!((due.answer.key, due.answer.created_at), (job.key, job.created_at));
        assert_eq!(due.answer.expires_at, job.expires_at);
        assert_eq!(due.answer.finished_at, job.finished_at);
        assert_eq!(due.answer.purge_at, job.purge_at);
        let state = of_job(store, job.key).await.remove(0);
        assert_eq!((state.attempts, state.created_at), (1, due.created_at));
        let lease = state.due_at.expect("an end of the claim") - now();
        assert!(lease > HOUR / 2 && lease < 2 * HOUR, "{lease}");
    }
    close(&open.backend).await;
}

async fn word_that_is_due_later_is_not_claimed_before(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let due_at = now() + Duration::from_millis(700);
    let later = Finished { callback: Some(due_at), ..with_callback(FinalState::Succeeded) };
    let at_once = with_callback(FinalState::Succeeded);
    store.finish(&[later.clone(), at_once.clone()]).await.expect("a commit");
    let claimed = claim(store, 9, HOUR).await;
    assert_eq!(claimed.iter().map(|due| due.key).collect::<Vec<_>>(), [at_once.key]);
    let state = of_job(store, later.key).await.remove(0);
    assert_eq!((state.due_at, state.created_at), (Some(due_at), due_at));
    let due = eventually("it is due", PATIENCE, async || claim(store, 9, HOUR).await.pop()).await;
    assert_eq!((due.key, due.created_at), (later.key, due_at));
    assert!(store.now().await.expect("the store's time") >= due_at);
    close(&open.backend).await;
}

async fn record_of_an_outdated_claim_does_not_count(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let job = with_callback(FinalState::Succeeded);
    store.finish(std::slice::from_ref(&job)).await.expect("a commit");
    // A lease that has ended when it begins.
    let first = claim(store, 10, Duration::ZERO).await.remove(0);
    let second = claim(store, 10, HOUR).await.remove(0);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(first.created_at, second.created_at);

    for end in [AttemptEnd::Delivered, AttemptEnd::Failed, AttemptEnd::Again { due_at: now() }] {
        store.record_callbacks(&[ended(&first, end)]).await.expect("a record");
        let state = of_job(store, job.key).await.remove(0);
        assert_eq!((state.status, state.attempts), (CallbackStatus::Due, 2), "{end:?}");
        assert_eq!((state.last_status, state.finished_at), (None, None), "{end:?}");
        assert!(claim(store, 10, HOUR).await.is_empty(), "{end:?}");
    }
    let sent = ended(&second, AttemptEnd::Delivered);
    store.record_callbacks(&[sent]).await.expect("a record");
    assert_eq!(of_job(store, job.key).await[0].status, CallbackStatus::Delivered);
    // What is over stays so.
    let again = ended(&second, AttemptEnd::Again { due_at: now() });
    store.record_callbacks(&[again]).await.expect("a record");
    assert_eq!(of_job(store, job.key).await[0].status, CallbackStatus::Delivered);
    store.record_callbacks(&[]).await.expect("nothing to record");
    close(&open.backend).await;
}

async fn an_attempt_is_followed_by_what_its_record_says(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let batch: Vec<_> = (0..4).map(|_| with_callback(FinalState::Succeeded)).collect();
    store.finish(&batch).await.expect("a commit");
    let (past, future) = (now() - HOUR, now() + HOUR);
    let ends = [
        AttemptEnd::Delivered,
        AttemptEnd::Failed,
        AttemptEnd::Again { due_at: future },
        AttemptEnd::Again { due_at: past },
    ];
    let claimed = claim_all(store).await;
    let of = |job: &Finished| claimed.iter().find(|due| due.key == job.key).unwrap();
    let mut records: Vec<_> =
        batch.iter().zip(ends).map(|(job, end)| ended(of(job), end)).collect();
    (records[0].status, records[0].error) = (Some(204), None);
    (records[2].status, records[2].error) = (None, Some("timeout"));
    store.record_callbacks(&records).await.expect("a record");

    let expected = [
        (CallbackStatus::Delivered, None, Some(204), None, Some(records[0].at)),
        (CallbackStatus::Failed, None, Some(503), Some("status"), Some(records[1].at)),
        (CallbackStatus::Due, Some(future), None, Some("timeout"), None),
        (CallbackStatus::Due, Some(past), Some(503), Some("status"), None),
    ];
    for (job, expected) in batch.iter().zip(expected) {
        let state = of_job(store, job.key).await.remove(0);
        let error = state.last_error.as_deref();
        let found = (state.status, state.due_at, state.last_status, error, state.finished_at);
        assert_eq!(found, expected);
    }
    let claimed = claim_all(store).await;
    let claimed: Vec<_> = claimed.iter().map(|due| (due.key, due.attempt)).collect();
    assert_eq!(claimed, [(batch[3].key, 2)]);
    close(&open.backend).await;
}

async fn two_claimers_never_get_the_same_callback(mode: Mode) {
    let open = Open::new(mode).await;
    let batch: Vec<_> = (0..300)
        .map(|at| {
            let name = ["orders", "another", "third"][at % 3];
            Finished { client: client(name), ..with_callback(FinalState::Succeeded) }
        })
        .collect();
    open.store().finish(&batch).await.expect("a commit");
    let mut claimers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = Arc::clone(&open.backend.store);
        claimers.spawn(async move {
            let mut all = Vec::new();
            // Somebody else may hold for a moment what is left.
            let mut in_vain = 0;
            while in_vain < 3 {
                let claimed = claim(&store, 7, HOUR).await;
                assert!(claimed.len() <= 7);
                in_vain = if claimed.is_empty() { in_vain + 1 } else { 0 };
                all.extend(claimed.into_iter().map(|due| (due.key, due.attempt)));
            }
            all
        });
    }
    let all: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
    assert!(all.iter().all(|(_, attempt)| *attempt == 1));
    let distinct: HashSet<_> = all.iter().map(|(key, _)| *key).collect();
    assert_eq!(distinct.len(), all.len(), "one was claimed twice");
    let left = claim_all(open.store()).await.len();
    assert_eq!(all.len() + left, batch.len());
    close(&open.backend).await;
}

async fn clients_that_are_left_out_hold_up_nobody(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let of = |name: &str| Finished { client: client(name), ..with_callback(FinalState::Succeeded) };
    let backlog: Vec<_> = (0..50).map(|_| of("busy")).collect();
    store.finish(&backlog).await.expect("a commit");
    store.finish(&[of("orders"), of("another")]).await.expect("a commit");
    let except = [client("busy"), client("nobody")];
    let claimed = store
        .claim_callbacks(Claim { max: 10, lease: HOUR, except: &except })
        .await
        .expect("a claim");
    let mut clients: Vec<_> = claimed.iter().map(|due| due.client.as_str()).collect();
    clients.sort_unstable();
    assert_eq!(clients, ["another", "orders"]);
    assert_eq!(claim_all(store).await.len(), 50);
    close(&open.backend).await;
}

async fn what_has_no_answer_any_more_is_not_claimed(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (erased, past) =
        (with_callback(FinalState::Succeeded), with_callback(FinalState::Succeeded));
    let past = Finished { purge_at: now() - Duration::from_secs(1), ..past };
    store.finish(&[erased.clone(), past]).await.expect("a commit");
    let tombstone = Tombstone {
        key: erased.key,
        client: erased.client.clone(),
        app: erased.app.clone(),
        erased_at: now(),
        purge_at: erased.purge_at,
    };
    assert!(store.erase_job(&tombstone).await.expect("an erasure"));
    assert!(claim_all(store).await.is_empty());
    let cancelled = [(CallbackEvent::Succeeded, CallbackStatus::Cancelled)];
    assert_eq!(statuses(store, erased.key).await, cancelled);
    close(&open.backend).await;
}
