//! Deadlines are judged by this process's clock. One that is off does harm silently, so
//! it is compared with the store's: before the first job, and then every half minute.

use std::{sync::Arc, time::Duration};

use quhao_common::store::Store;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::health::Health;

const EVERY: Duration = Duration::from_secs(30);
/// Between two tries while the store does not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// The most that is tolerated.
const OFF_MAX: Duration = Duration::from_secs(5);

/// Waits until the clocks have been compared. False if they differ, or if `draining`
/// begins before the store has answered.
pub async fn compare(store: &Store, health: &Health, draining: &CancellationToken) -> bool {
    loop {
        let before = OffsetDateTime::now_utc();
        // A store that is out of reach says nothing about the clock.
        if let Ok(theirs) = store.now().await {
            let Some(off) = difference(before, theirs, OffsetDateTime::now_utc()) else {
                return true;
            };
            let reason = format!("this machine's clock is {off:.1?} off the store's");
            error!(
                reason,
                "this worker takes no more jobs until that is mended and it is restarted"
            );
            health.stuck(reason);
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = draining.cancelled() => return false,
        }
    }
}

/// Compares the clocks every half minute, until `draining` or until they differ.
pub async fn watch(store: Arc<Store>, health: Arc<Health>, draining: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = draining.cancelled() => return,
        }
        if !compare(&store, &health, &draining).await {
            return;
        }
    }
}

/// How far `theirs` lies outside of the time in which it was asked, if it is too far.
fn difference(
    before: OffsetDateTime,
    theirs: OffsetDateTime,
    after: OffsetDateTime,
) -> Option<Duration> {
    let off = if theirs < before { before - theirs } else { theirs - after };
    Duration::try_from(off).ok().filter(|off| *off > OFF_MAX)
}
