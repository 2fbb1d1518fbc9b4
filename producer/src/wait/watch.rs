//! Asking the store on behalf of all who wait: when there is news, when somebody has begun to
//! wait, and now and then, since news may be lost. What news tell of the queue is passed on to
//! `admission.rs`.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use quhao_backend::store::{FinishedJobs, Notification, Notifications, Store};
use quhao_common::domain::{answer::StoredAnswer, id::JobKey};
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::Edge;

/// How often all keys are asked for, whatever the news.
const TICK: Duration = Duration::from_secs(1);
/// How long the first of some new waiters waits for others to share its query.
const GATHER: Duration = Duration::from_millis(5);
/// Keys in one query.
const KEYS_MAX: usize = 1000;
/// Pieces of news that share one query.
const NEWS_MAX: usize = 64;

/// Which keys it is worth asking for.
#[derive(Debug)]
pub(super) enum Due {
    All,
    /// These, and whoever has just arrived.
    Some(Vec<JobKey>),
}

/// Asks the store until `stop`.
pub(crate) async fn watch_store(edge: Arc<Edge>, stop: CancellationToken) {
    let (waiters, store) = (&edge.waiters, &edge.backend.store);
    let mut feed = store.listen();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut readable = true;
    // When those who have just arrived are asked for, unless news come first.
    let mut gathered = None::<Instant>;
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => Due::All,
            news = feed.next() => {
                let news = gather_news(news, &mut feed);
                edge.admission.hear(&news);
                match news.finished {
                    FinishedJobs::Keys(keys) => Due::Some(keys),
                    FinishedJobs::Unknown => Due::All,
                }
            }
            () = waiters.0.arrivals.notified(), if gathered.is_none() => {
                gathered = Some(Instant::now() + GATHER);
                continue;
            }
            () = sleep_until(gathered.unwrap_or_else(Instant::now)),
                if gathered.is_some() => Due::Some(Vec::new()),
        };
        gathered = None;
        let asking = async {
            for keys in waiters.keys(&due).chunks(KEYS_MAX) {
                let answers = ask(store, keys, &mut readable).await;
                waiters.tell(keys, answers, OffsetDateTime::now_utc());
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = asking => {}
        }
    }
}

/// What has been told up to now, for one query.
fn gather_news(first: Notification, feed: &mut Notifications) -> Notification {
    let more = std::iter::from_fn(|| feed.next().now_or_never());
    more.take(NEWS_MAX).fold(first, Notification::then)
}

/// `None` if the store cannot be read, which is logged once per outage.
async fn ask(store: &Store, keys: &[JobKey], readable: &mut bool) -> Option<Vec<StoredAnswer>> {
    match store.answers(keys).await {
        Ok(answers) => {
            if !std::mem::replace(readable, true) {
                tracing::info!("the store can be read again");
            }
            Some(answers)
        }
        Err(error) => {
            if std::mem::replace(readable, false) {
                tracing::warn!(%error, "the store cannot be read; requests keep waiting");
            }
            None
        }
    }
}
