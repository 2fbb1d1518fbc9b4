//! Asking the store on behalf of all who wait: when there is news, when somebody has begun to
//! wait, and now and then, since news may be lost. What news tell of the queue is passed on to
//! `admission.rs`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use quhao_common::{
    id::JobKey,
    store::{Feed, News, Store, StoredAnswer, Told},
};
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Waiters;
use crate::Edge;

/// How often all keys are asked for, whatever the news.
const TICK: Duration = Duration::from_secs(1);
/// How long the first of some new waiters waits for others to share its query.
const GATHER: Duration = Duration::from_millis(5);
/// Keys in one query.
const KEYS_MAX: usize = 1000;
/// Pieces of news that share one query.
const NEWS_MAX: usize = 64;
/// Questions at once. Beyond, news share the next.
const QUESTIONS_MAX: usize = 2;

/// Which keys it is worth asking for.
#[derive(Debug)]
pub(super) enum Due {
    All,
    /// These, and whoever has just arrived.
    Some(Vec<JobKey>),
}

/// Asks the store until `stop`.
pub(crate) async fn watch_store(edge: Arc<Edge>, stop: CancellationToken) {
    let waiters = &edge.waiters;
    let questions = Questions { waiters, store: &edge.backend.store, readable: true.into() };
    let mut asking = FuturesUnordered::new();
    let mut feed = edge.backend.store.listen();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When those who have just arrived are asked for, unless news come first.
    let mut gathered = None::<Instant>;
    loop {
        let free = asking.len() < QUESTIONS_MAX;
        let due = tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = asking.next() => continue,
            () = waiters.0.arrivals.notified(), if gathered.is_none() => {
                gathered = Some(Instant::now() + GATHER);
                continue;
            }
            () = sleep_until(gathered.unwrap_or_else(Instant::now)),
                if free && gathered.is_some() => Due::Some(Vec::new()),
            news = feed.next(), if free => {
                let news = gather_news(news, &mut feed);
                edge.admission.hear(&news);
                match news.told {
                    Told::Finished(keys) => Due::Some(keys),
                    Told::Anything => Due::All,
                }
            }
            _ = tick.tick(), if free => Due::All,
        };
        gathered = None;
        let keys = waiters.keys(&due);
        if !keys.is_empty() {
            asking.push(questions.ask_all(keys));
        }
    }
}

/// What has been told up to now, for one query.
fn gather_news(first: News, feed: &mut Feed) -> News {
    let more = std::iter::from_fn(|| feed.next().now_or_never());
    more.take(NEWS_MAX).fold(first, News::then)
}

/// What questions are asked with.
struct Questions<'a> {
    waiters: &'a Waiters,
    store: &'a Store,
    /// Whether the last answer was one.
    readable: AtomicBool,
}

impl Questions<'_> {
    /// Asks for `keys`, and tells those who wait for them.
    async fn ask_all(&self, keys: Vec<JobKey>) {
        for keys in keys.chunks(KEYS_MAX) {
            let answers = self.ask(keys).await;
            self.waiters.tell(keys, answers, OffsetDateTime::now_utc());
        }
    }

    /// `None` if the store cannot be read, which is logged once per outage.
    async fn ask(&self, keys: &[JobKey]) -> Option<Vec<StoredAnswer>> {
        match self.store.answers(keys).await {
            Ok(answers) => {
                if !self.readable.swap(true, Ordering::Relaxed) {
                    tracing::info!("the store can be read again");
                }
                Some(answers)
            }
            Err(error) => {
                if self.readable.swap(false, Ordering::Relaxed) {
                    tracing::warn!(%error, "the store cannot be read; requests keep waiting");
                }
                None
            }
        }
    }
}
