//! An answer lasts as long as the last URL that asks for it.

use std::{collections::HashSet, time::Duration};

use quhao_backend::store::{CallbackFilter, Store};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobKey,
};
use quhao_tests::{config::Mode, in_both_modes};
use time::OffsetDateTime;

use super::{
    job_erasure::{answer, is_erased, tombstone},
    outcome::{finished, known, now, with_callback},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    an_answer_is_kept_for_a_later_copy_of_its_job,
    replacement_of_an_answer_is_kept_as_long,
    prolonging_gets_in_nobodys_way,
);

const HOUR: Duration = Duration::from_hours(1);

/// Returns a success with a callback whose retention would soon end.
fn ending_at(purge_at: OffsetDateTime) -> Finished {
    Finished { purge_at, ..with_callback(FinalState::Succeeded) }
}

async fn purge_at(store: &Store, key: JobKey) -> Option<OffsetDateTime> {
    answer(store, key).await.map(|answer| answer.purge_at)
}

async fn an_answer_is_kept_for_a_later_copy_of_its_job(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let soon = now() + Duration::from_secs(2);
    let (short, erased, long) = (ending_at(soon), ending_at(soon), ending_at(now() + 5 * HOUR));
    let (gone, other) = (ending_at(now() - HOUR), ending_at(soon));
    let all = [&short, &erased, &long, &gone, &other].map(Finished::clone);
    store.finish(&all).await.expect("a commit");
    assert!(store.erase_job(&tombstone(&erased)).await.expect("an erasure"));
    let nobody = JobKey::from_bytes(rand::random());

    let later = now() + 3 * HOUR;
    let keys = [short.key, erased.key, long.key, gone.key, nobody];
    let kept = store.prolong(&keys.map(|key| (key, later))).await.expect("a prolongation");
    assert_eq!(kept, HashSet::from([short.key, erased.key, long.key]));
    assert_eq!(purge_at(store, short.key).await, Some(later));
    assert_eq!(purge_at(store, long.key).await, Some(long.purge_at), "no shorter than before");
    assert_eq!(purge_at(store, other.key).await, Some(other.purge_at));
    assert!(is_erased(store, erased.key).await);
    assert_eq!(store.prolong(&[]).await.expect("nothing to do"), HashSet::new());

    // What was not prolonged goes, the others stay, with what is known of their callbacks.
    let left = (soon - OffsetDateTime::now_utc()).try_into().unwrap_or_default();
    tokio::time::sleep(left).await;
    assert!(answer(store, other.key).await.is_none());
    store.purge(100).await.expect("a purge");
    let keys = [short.key, erased.key, long.key];
    assert_eq!(known(store, &keys).await, HashSet::from(keys));
    for (of, callbacks) in [(&short, 1), (&other, 0)] {
        let filter = CallbackFilter { key: Some(of.key), max: 9, ..CallbackFilter::default() };
        assert_eq!(store.callbacks(&filter).await.expect("callbacks").len(), callbacks);
    }
    close(&open.backend).await;
}

async fn replacement_of_an_answer_is_kept_as_long(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let later = now() + 3 * HOUR;
    let failed = FinalState::Failed(FailureCode::NoPhone);
    let failure = Finished { purge_at: later, ..finished(failed) };
    // The outcome of an earlier copy that was committed later.
    let success =
        Finished { key: failure.key, purge_at: now() + HOUR, ..finished(FinalState::Succeeded) };
    store.finish(std::slice::from_ref(&failure)).await.expect("a commit");
    store.finish(std::slice::from_ref(&success)).await.expect("a commit");
    let row = answer(store, failure.key).await.expect("an answer");
    assert!(row.answer.as_ref() == Some(&success.answer));
    assert_eq!(row.purge_at, later);
    close(&open.backend).await;
}

async fn prolonging_gets_in_nobodys_way(mode: Mode) {
    let open = Open::new(mode).await;
    let rows: Vec<Finished> = (0..100).map(|_| finished(FinalState::Succeeded)).collect();
    open.store().finish(&rows).await.expect("a commit");
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..6_u32 {
        let (store, mut rows) = (open.backend.store.clone(), rows.clone());
        // Every other one goes through them the other way round.
        if round % 2 == 1 {
            rows.reverse();
        }
        tasks.spawn(async move {
            for hour in 0..5 {
                let until = now() + HOUR * (24 + hour * 6 + round);
                let until: Vec<_> = rows.iter().map(|row| (row.key, until)).collect();
                let kept = store.prolong(&until).await.expect("a prolongation");
                assert_eq!(kept.len(), until.len());
                store.finish(&rows).await.expect("a commit");
            }
        });
    }
    tasks.join_all().await;
    close(&open.backend).await;
}
