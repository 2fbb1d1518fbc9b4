//! How long a worker that ends tries to commit what it holds, before it hands it over.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// How long a store that was out of reach when the drain began is tried once more.
const LOST_STORE_MAX: Duration = Duration::from_secs(2);
/// The time that is left for the end of everything else.
const MARGIN_MAX: Duration = Duration::from_millis(500);

/// The time that a worker has to drain.
#[derive(Debug)]
pub(crate) struct Drain {
    limit: Duration,
    can_hand_over: bool,
    begun: watch::Sender<Option<Begun>>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    at: Instant,
    store_was_lost: bool,
}

/// The state of a drain for an outcome that is to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DrainState {
    /// The time that there is, from the beginning of the drain.
    pub limit: Duration,
    /// How much of it was over when the commit was first tried.
    pub elapsed: Duration,
    /// Whether the store had been out of reach for a while when the drain began.
    pub store_was_lost: bool,
    /// Whether another worker can commit the outcome later.
    pub can_hand_over: bool,
}

impl DrainState {
    /// Returns when the commit is given up, from the beginning of the drain: after half of what
    /// is left, since handing over takes time as well; and sooner if there is little hope.
    pub(crate) fn gives_up_at(self) -> Duration {
        let left = self.limit.saturating_sub(self.elapsed);
        let trying = match (self.can_hand_over, self.store_was_lost) {
            (false, _) => left,
            (true, false) => left / 2,
            (true, true) => (left / 2).min(LOST_STORE_MAX),
        };
        self.elapsed + trying
    }
}

impl Drain {
    /// Creates a drain that has not begun, and will have `limit`. `can_hand_over` is whether the
    /// queue takes outcomes.
    pub(crate) fn new(limit: Duration, can_hand_over: bool) -> Self {
        let margin = (limit / 10).min(MARGIN_MAX);
        Self { limit: limit.saturating_sub(margin), can_hand_over, begun: watch::Sender::new(None) }
    }

    /// Begins the drain.
    pub(crate) fn begin(&self, store_was_lost: bool) {
        self.begun.send_replace(Some(Begun { at: Instant::now(), store_was_lost }));
    }

    /// Waits until the worker drains and a commit that is first tried now has had its time.
    pub(crate) async fn commit_time_over(&self) {
        let tried = Instant::now();
        let begun = self.has_begun().await;
        let state = DrainState {
            limit: self.limit,
            elapsed: tried.saturating_duration_since(begun.at),
            store_was_lost: begun.store_was_lost,
            can_hand_over: self.can_hand_over,
        };
        sleep_until(begun.at + state.gives_up_at()).await;
    }

    /// Waits until the worker drains and there is no time left.
    pub(crate) async fn time_over(&self) {
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

#[cfg(test)]
mod tests;
