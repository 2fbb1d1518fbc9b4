//! What a commit tells of the queue.

use std::time::Duration;

use quhao_backend::store::{
    FinishedJobs, Notification, Notifications, ObservedThroughput, Store, Throughput,
};
use quhao_common::domain::finished::{FinalState, Finished};
use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, within},
};

use super::outcome::{finished, now};
use crate::contract::fixture::{Open, close};

in_both_modes!(a_commit_tells_how_long_its_jobs_waited_and_took, lost_notifications_are_reported);

/// Returns outcomes of jobs that waited so many seconds each, and took two more.
fn waited(seconds: &[u64]) -> Vec<Finished> {
    let of = |waited: &u64| {
        let created_at = now() - Duration::from_mins(2);
        let taken_at = created_at + Duration::from_secs(*waited);
        let finished_at = taken_at + Duration::from_secs(2);
        Finished {
            created_at,
            taken_at: Some(taken_at),
            finished_at,
            ..finished(FinalState::Succeeded)
        }
    };
    seconds.iter().map(of).collect()
}

fn throughput(jobs: u32, waited: u64) -> Throughput {
    let (waited, worked) = (Duration::from_secs(waited), Duration::from_secs(2));
    Throughput { jobs, waited, worked }
}

/// Commits until `feed` hears of it: a listener may need a moment, and notifications from before are
/// not heard.
async fn until_heard(store: &Store, feed: &mut Notifications) {
    within("a notification", PATIENCE, async {
        loop {
            store.finish(&waited(&[1])).await.expect("a commit");
            let notification = tokio::time::timeout(Duration::from_millis(500), feed.next()).await;
            if notification.is_ok_and(|notification| !notification.throughput.is_empty()) {
                return;
            }
        }
    })
    .await;
}

/// Returns the throughputs that `feed` brings up to and with `last`.
async fn heard_until(feed: &mut Notifications, last: Throughput) -> Vec<Throughput> {
    within("the last throughput", PATIENCE, async {
        let mut all = Vec::new();
        while all.last() != Some(&last) {
            let Notification { throughput, .. } = feed.next().await;
            all.extend(
                throughput.into_iter().map(|ObservedThroughput { throughput, .. }| throughput),
            );
        }
        all
    })
    .await
}

async fn a_commit_tells_how_long_its_jobs_waited_and_took(mode: Mode) {
    let open = Open::new(mode).await;
    let (store, mut feed) = (open.store(), open.store().listen());
    let mut other = store.listen();
    until_heard(store, &mut feed).await;
    until_heard(store, &mut other).await;
    for batch in [waited(&[0, 60, 3]), waited(&[50])] {
        store.finish(&batch).await.expect("a commit");
    }
    // One that tells nothing of the queue counts as a job all the same.
    let mut batch = waited(&[7, 7]);
    batch.push(Finished { taken_at: None, ..finished(FinalState::Succeeded) });
    store.finish(&batch).await.expect("a commit");
    // Too many to list their keys.
    store.finish(&waited(&[9; 1000])).await.expect("a commit");
    for feed in [&mut feed, &mut other] {
        let heard = heard_until(feed, throughput(1000, 9)).await;
        let heard: Vec<_> = heard.into_iter().filter(|heard| *heard != throughput(1, 1)).collect();
        assert_eq!(
            heard,
            [throughput(3, 3), throughput(1, 50), throughput(3, 7), throughput(1000, 9)]
        );
    }

    let alone = Finished { taken_at: None, ..finished(FinalState::Succeeded) };
    store.finish(std::slice::from_ref(&alone)).await.expect("a commit");
    within("notifications of what came another way", PATIENCE, async {
        loop {
            let notification = feed.next().await;
            assert_eq!(notification.throughput, []);
            if notification.finished == FinishedJobs::Keys(vec![alone.key]) {
                break;
            }
        }
    })
    .await;
    close(&open.backend).await;
}

async fn lost_notifications_are_reported(mode: Mode) {
    let open = Open::new(mode).await;
    let (store, mut feed) = (open.store(), open.store().listen());
    if mode == Mode::Distributed {
        // A listener that connects cannot know what was before.
        let first = within("the first notification", PATIENCE, feed.next()).await;
        assert_eq!(first, Notification::gap());
    }
    until_heard(store, &mut feed).await;
    if mode == Mode::Embedded {
        for _ in 0..300 {
            store.finish(&waited(&[1])).await.expect("a commit");
        }
        let next = within("a notification", PATIENCE, feed.next()).await;
        assert_eq!(next, Notification::gap());
    }
    close(&open.backend).await;
}
