//! Erasures in the midst of everything else: none is missed, and nobody waits for ever.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quhao_backend::store::{AppErasure, AttemptEnd, CallbackFilter, Claim, Store};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobKey,
    session_handle::HandleKey,
};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    wait::{PATIENCE, within},
};
use tokio::task::JoinSet;

use super::{
    callbacks::{ALL, ended},
    job_erasure::{session, tombstone},
    outcome::{AT_ONCE, app, client, login, now, of_session},
    person_erasure::of_guest,
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    erased_person_leaves_nothing_despite_races,
    erased_app_leaves_nothing_despite_races,
    an_erased_answer_stays_so_whatever_was_under_way,
    all_kinds_of_calls_at_once_get_through,
);

/// Enough that a commit is always under way; each of these takes a connection.
const FINISHERS: usize = 3;

/// Commits batches that `make` makes until `end`; the keys of all of them.
fn finishers(
    open: &Open,
    end: &Arc<AtomicBool>,
    make: impl Fn() -> Vec<Finished> + Clone + Send + 'static,
) -> JoinSet<Vec<JobKey>> {
    let mut all = JoinSet::new();
    for _ in 0..FINISHERS {
        let (store, end, make) = (Arc::clone(&open.backend.store), Arc::clone(end), make.clone());
        all.spawn(async move {
            let mut keys = Vec::new();
            // One more that begins after the end, whatever the scheduler does.
            for last in [false, true] {
                loop {
                    let batch = make();
                    store.finish(&batch).await.expect("a commit");
                    keys.extend(batch.iter().map(|of| of.key));
                    if last || end.load(Ordering::Acquire) {
                        break;
                    }
                }
            }
            keys
        });
    }
    all
}

/// Returns whether nothing is left of all of these but the fact of their erasure.
async fn all_erased(store: &Store, keys: &[JobKey]) -> bool {
    let answers = store.answers(keys).await.expect("answers");
    assert_eq!(answers.len(), keys.len(), "all are known");
    answers.iter().all(|row| row.answer.is_none())
}

async fn erased_person_leaves_nothing_despite_races(mode: Mode) {
    let open = Open::new(mode).await;
    // All of it was created before the erasures.
    let created_at = now() - Duration::from_hours(1);
    for round in 0..12 {
        let guest = format!("guest-{round}");
        let end = Arc::new(AtomicBool::new(false));
        let make = {
            let guest = guest.clone();
            move || {
                let of = |finished| Finished { created_at, callback: AT_ONCE, ..finished };
                let other = format!("other-{}", rand::random::<u8>());
                let mut batch =
                    vec![of(login(&guest, Some([1; 16]))), of(of_session(&guest, None))];
                batch.extend((0..20).map(|_| of(login(&other, None))));
                batch
            }
        };
        let mut finishers = finishers(&open, &end, make);
        tokio::time::sleep(Duration::from_millis(5 + u64::from(rand::random::<u8>() % 16))).await;
        open.store().erase_person(&of_guest(&guest)).await.expect("an erasure");
        end.store(true, Ordering::Release);
        let mut keys = Vec::new();
        while let Some(finished) = finishers.join_next().await {
            // Of each batch the first two are of the guest.
            let finished = finished.expect("no panic");
            keys.extend(finished.chunks(22).flat_map(|batch| batch[..2].to_vec()));
        }
        assert!(all_erased(open.store(), &keys).await, "round {round}");
        assert!(session(open.store(), &guest).await.is_none(), "round {round}");
        let due = open.store().callbacks(&ALL).await.expect("callbacks");
        assert!(due.iter().all(|of| of.due_at.is_none() || !keys.contains(&of.key)));
    }
    close(&open.backend).await;
}

async fn erased_app_leaves_nothing_despite_races(mode: Mode) {
    let open = Open::new(mode).await;
    let created_at = now() - Duration::from_hours(1);
    let end = Arc::new(AtomicBool::new(false));
    let make = move || {
        let of =
            |_| Finished { created_at, ..login(&format!("{:x}", rand::random::<u64>()), None) };
        (0..10).map(of).collect()
    };
    let mut finishers = finishers(&open, &end, make);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut erasure = AppErasure {
        app: app(APP),
        erased_at: now(),
        purge_at: now() + Duration::from_hours(1),
        after: None,
    };
    loop {
        erasure.after = open.store().erase_app(&erasure).await.expect("a part").next;
        if erasure.after.is_none() {
            break;
        }
    }
    end.store(true, Ordering::Release);
    while let Some(finished) = finishers.join_next().await {
        assert!(all_erased(open.store(), &finished.expect("no panic")).await);
    }
    erasure.after = None;
    let left = open.store().erase_app(&erasure).await.expect("a part");
    assert_eq!(left.erased.sessions, 0, "a session came back");
    close(&open.backend).await;
}

async fn an_erased_answer_stays_so_whatever_was_under_way(mode: Mode) {
    let open = Open::new(mode).await;
    let batch: Vec<Finished> =
        (0..60).map(|_| Finished { callback: AT_ONCE, ..login("guest", None) }).collect();
    let mut calls = JoinSet::new();
    for final_state in [FinalState::Failed(FailureCode::CodeAlreadyUsed), FinalState::Succeeded] {
        for part in batch.chunks(20) {
            let (store, part) = (Arc::clone(&open.backend.store), part.to_vec());
            let part: Vec<_> = part.into_iter().map(|of| Finished { final_state, ..of }).collect();
            calls.spawn(async move { store.finish(&part).await.expect("a commit") });
        }
    }
    for job in &batch {
        let (store, tombstone) = (Arc::clone(&open.backend.store), tombstone(job));
        calls.spawn(async move {
            store.erase_job(&tombstone).await.expect("an erasure");
        });
    }
    calls.join_all().await;
    let keys: Vec<_> = batch.iter().map(|of| of.key).collect();
    assert!(all_erased(open.store(), &keys).await);
    let claim = Claim { max: 100, lease: Duration::ZERO, except: &[] };
    assert!(open.store().claim_callbacks(claim).await.expect("a claim").is_empty());
    close(&open.backend).await;
}

/// Makes one of the calls that may run concurrently: a number for each kind.
async fn call(store: &Store, kind: usize, keys: &[JobKey]) {
    let any = |max: usize| usize::from(rand::random::<u16>()) % max;
    let guest = || format!("guest-{}", any(12));
    match kind {
        // Batches in which jobs meet in every order, and such in which only guests do: some
        // with an exchange, some with a number for the session that they have.
        0..4 => {
            let batch: Vec<_> = (0..if kind < 2 { 20 } else { 6 })
                .map(|_| {
                    let number = Some([u8::try_from(any(4)).unwrap(); 16]);
                    let of = if any(2) == 0 { login } else { of_session };
                    let failed = FinalState::Failed(FailureCode::CodeAlreadyUsed);
                    let final_state = if any(2) == 0 { failed } else { FinalState::Succeeded };
                    let known = Finished { final_state, callback: AT_ONCE, ..of(&guest(), number) };
                    let key = if kind < 2 { keys[any(keys.len())] } else { known.key };
                    Finished { key, ..known }
                })
                .collect();
            store.finish(&batch).await.expect("a commit");
        }
        4 => {
            let claim = Claim { max: 20, lease: Duration::ZERO, except: &[] };
            let due = store.claim_callbacks(claim).await.expect("a claim");
            let again = AttemptEnd::Again { due_at: now() };
            let ends = [AttemptEnd::Failed, again, AttemptEnd::Delivered];
            let records: Vec<_> = due.iter().map(|due| ended(due, ends[any(3)])).collect();
            store.record_callbacks(&records).await.expect("a record");
        }
        5 => {
            let some = CallbackFilter { max: 10, ..ALL };
            store.retry_callbacks(&some).await.expect("a retry");
            store.callbacks(&some).await.expect("callbacks");
        }
        6 => {
            let mut job = tombstone(&login("guest", None));
            job.key = keys[any(keys.len())];
            store.erase_job(&job).await.expect("an erasure");
        }
        _ => {
            // Nobody's, so that the guests stay to be fought over.
            store.erase_person(&of_guest("nobody")).await.expect("an erasure");
            store.purge(10).await.expect("a purge");
            let handle = HandleKey::of(&client("orders"), &app(APP), &guest());
            let found = store.session_of_handle(&client("orders"), &app(APP), handle).await;
            assert!(found.expect("a look-up").is_some());
        }
    }
}

async fn all_kinds_of_calls_at_once_get_through(mode: Mode) {
    let open = Open::new(mode).await;
    let guests: Vec<_> = (0..12).map(|at| login(&format!("guest-{at}"), None)).collect();
    open.store().finish(&guests).await.expect("a commit");
    let keys: Arc<[JobKey]> = (0..60).map(|_| JobKey::from_bytes(rand::random())).collect();
    let mut callers = JoinSet::new();
    for caller in 0..8 {
        let (store, keys) = (Arc::clone(&open.backend.store), Arc::clone(&keys));
        callers.spawn(async move {
            for round in 0..40 {
                call(&store, (caller + round) % 8, &keys).await;
            }
        });
    }
    within("all calls", PATIENCE, callers.join_all()).await;
    close(&open.backend).await;
}
