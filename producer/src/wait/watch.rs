//! Looks up jobs on behalf of all waiting requests: when a commit notifies of them, when a
//! request begins to wait, and once a second, since notifications may be lost. What
//! notifications say of the queue is passed on to `admission.rs`.

use std::time::Duration;

use futures_util::FutureExt;
use quhao_backend::store::{FinishedJobs, Notification, Notifications, Store};
use quhao_common::domain::{answer::StoredAnswer, id::JobKey};
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::waiters::{Due, Waiters};
use crate::admission::Admission;

/// Time between two look-ups of all keys, whatever the notifications.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(1);
/// Time that the first of some new waiters waits for others to share its query.
const GATHER: Duration = Duration::from_millis(5);
/// Most keys in one query.
const KEYS_MAX: usize = 1000;
/// Most notifications that share one query, beside the first.
const NOTIFICATIONS_MAX: usize = 64;

/// Looks up what `waiters` wait for, until `stop`.
pub(crate) async fn watch_store(
    waiters: &Waiters,
    admission: &Admission,
    store: &Store,
    stop: CancellationToken,
) {
    let mut notifications = store.listen();
    let mut tick = interval(LOOKUP_INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_readable = true;
    // When new waiters are looked up, unless a notification comes first.
    let mut gathered_at = None::<Instant>;
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => Due::All,
            first = notifications.next() => {
                let notification = gather(first, &mut notifications);
                admission.observe(&notification);
                match notification.finished {
                    FinishedJobs::Keys(keys) => Due::Keys(keys),
                    FinishedJobs::Unknown => Due::All,
                }
            }
            () = waiters.arrival(), if gathered_at.is_none() => {
                gathered_at = Some(Instant::now() + GATHER);
                continue;
            }
            () = sleep_until(gathered_at.unwrap_or_else(Instant::now)),
                if gathered_at.is_some() => Due::Keys(Vec::new()),
        };
        gathered_at = None;
        let look_up = async {
            for keys in waiters.keys(&due).chunks(KEYS_MAX) {
                let answers = query(store, keys, &mut is_readable).await;
                waiters.notify(keys, answers, OffsetDateTime::now_utc());
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = look_up => {}
        }
    }
}

/// Merges `first` with the notifications that have come in by now, for one query.
fn gather(first: Notification, notifications: &mut Notifications) -> Notification {
    let ready = std::iter::from_fn(|| notifications.next().now_or_never());
    ready.take(NOTIFICATIONS_MAX).fold(first, Notification::merge)
}

/// Queries the answers of `keys`; `None` if the store cannot be read, which is logged once
/// per outage.
async fn query(
    store: &Store,
    keys: &[JobKey],
    is_readable: &mut bool,
) -> Option<Vec<StoredAnswer>> {
    match store.answers(keys).await {
        Ok(answers) => {
            if !*is_readable {
                tracing::info!("the store can be read again");
                *is_readable = true;
            }
            Some(answers)
        }
        Err(error) => {
            if *is_readable {
                tracing::warn!(
                    %error,
                    "the store cannot be read; waiting requests get no answers until it can"
                );
                *is_readable = false;
            }
            None
        }
    }
}
