//! Answers: what is kept, and what takes the place of what.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use quhao_backend::store::{FinishedJobs, Notification, Notifications, SCHEMA_VERSION, Store};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
    id::JobKey,
};
use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, within},
};
use time::OffsetDateTime;

use super::outcome::{finished, known, now};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    what_was_finished_is_known_and_can_be_read,
    an_answer_only_improves,
    an_answer_only_improves_within_a_batch,
    answers_past_their_time_are_gone,
    whoever_listens_hears_of_a_commit_that_can_be_read,
    a_big_batch_is_one_call,
    finishers_do_not_get_into_each_others_way,
    migrating_a_current_schema_changes_nothing,
    store_reports_its_clock,
);

/// Returns every final state.
fn endings() -> Vec<FinalState> {
    let failures = FailureCode::ALL.iter().map(|code| FinalState::Failed(*code));
    failures.chain([FinalState::Succeeded]).collect()
}

/// Returns two outcomes of each of many jobs, one job for each pair of final states.
fn pairs() -> Vec<(Finished, Finished)> {
    let endings = endings();
    let all = endings.iter().flat_map(|first| endings.iter().map(|second| (*first, *second)));
    all.map(|(first, second)| {
        let first = finished(first);
        let second = Finished { key: first.key, ..finished(second) };
        (first, second)
    })
    .collect()
}

/// Checks that of each pair the one was kept that the seam's rule names.
async fn assert_best_kept(store: &Store, pairs: &[(Finished, Finished)]) {
    let keys: Vec<JobKey> = pairs.iter().map(|(first, _)| first.key).collect();
    let kept = store.answers(&keys).await.expect("answers");
    let kept: HashMap<_, _> = kept.into_iter().map(|row| (row.key, row.answer)).collect();
    assert_eq!(kept.len(), pairs.len());
    for (first, second) in pairs {
        let best = if second.final_state.replaces(first.final_state) { second } else { first };
        assert!(
            kept[&first.key].as_ref() == Some(&best.answer),
            "{:?}, then {:?}: the wrong one was kept",
            first.final_state,
            second.final_state
        );
    }
}

async fn what_was_finished_is_known_and_can_be_read(mode: Mode) {
    let open = Open::new(mode).await;
    let (one, two, other) = (
        finished(FinalState::Succeeded),
        finished(FinalState::Failed(FailureCode::CodeInvalid)),
        finished(FinalState::Succeeded),
    );
    let keys = [one.key, two.key, other.key];
    assert!(known(open.store(), &keys).await.is_empty());
    assert!(open.store().answers(&keys).await.expect("answers").is_empty());
    open.store().finish(&[one.clone(), two.clone()]).await.expect("a commit");

    let found = known(open.store(), &keys).await;
    assert_eq!(found, HashSet::from([one.key, two.key]));
    let answers = open.store().answers(&keys).await.expect("answers");
    assert_eq!(answers.len(), 2);
    for expected in [&one, &two] {
        let row = answers.iter().find(|row| row.key == expected.key).expect("a row");
        assert!(row.answer.as_ref() == Some(&expected.answer), "the answer was changed");
        assert_eq!(row.created_at, expected.created_at);
        assert_eq!(row.expires_at, expected.expires_at);
        assert_eq!(row.finished_at, expected.finished_at);
        assert_eq!(row.purge_at, expected.purge_at);
    }
    assert!(known(open.store(), &[]).await.is_empty());
    assert!(open.store().answers(&[]).await.expect("answers").is_empty());
    open.store().finish(&[]).await.expect("an empty commit");
    close(&open.backend).await;
}

async fn an_answer_only_improves(mode: Mode) {
    let open = Open::new(mode).await;
    let pairs = pairs();
    let (first, second): (Vec<_>, Vec<_>) = pairs.iter().cloned().unzip();
    open.store().finish(&first).await.expect("a commit");
    open.store().finish(&second).await.expect("a commit");
    assert_best_kept(open.store(), &pairs).await;
    close(&open.backend).await;
}

async fn an_answer_only_improves_within_a_batch(mode: Mode) {
    let open = Open::new(mode).await;
    let pairs = pairs();
    let batch: Vec<Finished> =
        pairs.iter().flat_map(|(first, second)| [first.clone(), second.clone()]).collect();
    open.store().finish(&batch).await.expect("a commit");
    assert_best_kept(open.store(), &pairs).await;
    close(&open.backend).await;
}

async fn answers_past_their_time_are_gone(mode: Mode) {
    let open = Open::new(mode).await;
    let past =
        Finished { purge_at: now() - Duration::from_secs(1), ..finished(FinalState::Succeeded) };
    let present = finished(FinalState::Succeeded);
    let keys = [past.key, present.key];
    open.store().finish(&[past, present.clone()]).await.expect("a commit");
    assert_eq!(known(open.store(), &keys).await, HashSet::from([present.key]));
    let answers = open.store().answers(&keys).await.expect("answers");
    assert_eq!(answers.iter().map(|row| row.key).collect::<Vec<_>>(), [present.key]);
    close(&open.backend).await;
}

/// Waits until `feed` tells of keys by name, committing until it does: a listener may need a
/// moment to hear it, and notifications from before are not.
async fn first_keys_heard(store: &Store, feed: &mut Notifications) -> Vec<JobKey> {
    within("a notification", PATIENCE, async {
        loop {
            store.finish(&[finished(FinalState::Succeeded)]).await.expect("a commit");
            let notification = tokio::time::timeout(Duration::from_millis(500), feed.next()).await;
            if let Ok(Notification { finished: FinishedJobs::Keys(keys), .. }) = notification {
                return keys;
            }
        }
    })
    .await
}

async fn whoever_listens_hears_of_a_commit_that_can_be_read(mode: Mode) {
    let open = Open::new(mode).await;
    let (mut feed, mut other) = (open.store().listen(), open.store().listen());
    for feed in [&mut feed, &mut other] {
        let keys = first_keys_heard(open.store(), feed).await;
        assert_eq!(known(open.store(), &keys).await.len(), keys.len());
    }
    let last = finished(FinalState::Failed(FailureCode::NoPhone));
    open.store().finish(std::slice::from_ref(&last)).await.expect("a commit");
    for feed in [&mut feed, &mut other] {
        within("the last key", PATIENCE, async {
            loop {
                match feed.next().await.finished {
                    FinishedJobs::Keys(keys) if !keys.contains(&last.key) => {}
                    FinishedJobs::Keys(_) | FinishedJobs::Unknown => break,
                }
            }
        })
        .await;
    }
    close(&open.backend).await;
}

async fn a_big_batch_is_one_call(mode: Mode) {
    let open = Open::new(mode).await;
    let batch: Vec<Finished> = (0..1000).map(|_| finished(FinalState::Succeeded)).collect();
    let keys: Vec<JobKey> = batch.iter().map(|finished| finished.key).collect();
    let mut feed = open.store().listen();
    first_keys_heard(open.store(), &mut feed).await;
    open.store().finish(&batch).await.expect("a commit");
    assert_eq!(known(open.store(), &keys).await.len(), keys.len());
    assert_eq!(open.store().answers(&keys).await.expect("answers").len(), keys.len());

    let mut unheard: HashSet<JobKey> = keys.into_iter().collect();
    within("notifications of all", PATIENCE, async {
        while !unheard.is_empty() {
            match feed.next().await.finished {
                FinishedJobs::Keys(keys) => unheard.retain(|key| !keys.contains(key)),
                FinishedJobs::Unknown => unheard.clear(),
            }
        }
    })
    .await;
    close(&open.backend).await;
}

async fn finishers_do_not_get_into_each_others_way(mode: Mode) {
    let open = Open::new(mode).await;
    let keys: Vec<JobKey> = (0..150).map(|_| JobKey::from_bytes(rand::random())).collect();
    let endings = endings();
    let mut finishers = tokio::task::JoinSet::new();
    for round in 0..8_usize {
        let batch: Vec<Finished> = (0..100)
            .map(|_| {
                let final_state = endings[usize::from(rand::random::<u16>()) % endings.len()];
                let key = keys[usize::from(rand::random::<u16>()) % keys.len()];
                Finished { key, ..finished(final_state) }
            })
            .collect();
        let store = Arc::clone(&open.backend.store);
        finishers.spawn(async move {
            store.finish(&batch).await.unwrap_or_else(|e| panic!("finisher {round}: {e}"));
            batch
        });
    }
    let mut tried = HashMap::<JobKey, Vec<Finished>>::new();
    while let Some(batch) = finishers.join_next().await {
        for finished in batch.expect("no panic") {
            tried.entry(finished.key).or_default().push(finished);
        }
    }
    let kept = open.store().answers(&keys).await.expect("answers");
    assert_eq!(kept.len(), tried.len());
    for row in kept {
        let tried = &tried[&row.key];
        let won = tried.iter().find(|finished| Some(&finished.answer) == row.answer.as_ref());
        let won = won.expect("one of them");
        let could_succeed =
            tried.iter().any(|finished| finished.final_state == FinalState::Succeeded);
        assert_eq!(
            won.final_state == FinalState::Succeeded,
            could_succeed,
            "the best was not kept"
        );
    }
    close(&open.backend).await;
}

async fn migrating_a_current_schema_changes_nothing(mode: Mode) {
    let open = Open::new(mode).await;
    let schema = open.store().schema().await.expect("the schema");
    assert_eq!(schema.version, SCHEMA_VERSION);
    assert!(schema.min_compatible <= SCHEMA_VERSION);
    assert_eq!(open.store().migrate().await.expect("nothing to do"), Vec::<i64>::new());
    close(&open.backend).await;
}

async fn store_reports_its_clock(mode: Mode) {
    let open = Open::new(mode).await;
    let store_now = open.store().now().await.expect("the store's clock");
    let apart = (OffsetDateTime::now_utc() - store_now).abs();
    assert!(apart < Duration::from_mins(1), "the store's clock is {apart} off ours");
    close(&open.backend).await;
}
