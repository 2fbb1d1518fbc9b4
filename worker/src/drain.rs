//! How long a worker that ends tries to commit what it holds, before it hands it over.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How long a store that was out of reach when the end began is tried once more.
const LOST_STORE_MAX: Duration = Duration::from_secs(2);
/// What is left for the end of everything else.
const MARGIN_MAX: Duration = Duration::from_millis(500);

/// The time that a worker has for its end.
#[derive(Debug)]
pub struct Drain {
    limit: Duration,
    hands_over: bool,
    begun: watch::Sender<Option<Begun>>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Instant,
    store_was_lost: bool,
}

/// How things stand for an outcome that is to be committed during a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time that there is, from the beginning of the drain.
    pub limit: Duration,
    /// How much of it was over when the commit was first tried.
    pub elapsed: Duration,
    /// The store had been out of reach for a while when the drain began.
    pub store_was_lost: bool,
    /// Somebody else can commit the outcome later.
    pub hands_over: bool,
}

impl Moment {
    /// When trying ends, from the beginning of the drain: after half of what is left, since
    /// handing over takes time as well; and sooner if there is little hope.
    pub fn gives_up_at(self) -> Duration {
        let left = self.limit.saturating_sub(self.elapsed);
        let trying = match (self.hands_over, self.store_was_lost) {
            (false, _) => left,
            (true, false) => left / 2,
            (true, true) => (left / 2).min(LOST_STORE_MAX),
        };
        self.elapsed + trying
    }
}

impl Drain {
    /// A drain that has not begun, and will have `limit`. `hands_over` says whether the
    /// queue takes outcomes.
    pub fn new(limit: Duration, hands_over: bool) -> Self {
        let limit = limit.saturating_sub((limit / 10).min(MARGIN_MAX));
        Self { limit, hands_over, begun: watch::Sender::new(None) }
    }

    /// It begins now.
    pub fn begin(&self, store_was_lost: bool) {
        self.begun.send_replace(Some(Begun { at: Instant::now(), store_was_lost }));
    }

    /// Waits until the worker drains and a commit that is first tried now has had its time.
    pub async fn presses(&self) {
        let tried = Instant::now();
        let Begun { at, store_was_lost } = self.has_begun().await;
        let elapsed = tried.saturating_duration_since(at);
        let moment =
            Moment { limit: self.limit, elapsed, store_was_lost, hands_over: self.hands_over };
        sleep_until(at + moment.gives_up_at()).await;
    }

    /// Waits until there is no time left.
    pub async fn is_over(&self) {
        let begun = self.has_begun().await;
        sleep_until(begun.at + self.limit).await;
    }

    async fn has_begun(&self) -> Begun {
        let mut begun = self.begun.subscribe();
        match begun.wait_for(Option::is_some).await.ok().and_then(|begun| *begun) {
            Some(begun) => begun,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
    }
}
