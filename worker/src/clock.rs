//! Deadlines are judged by this process's clock. One that is off does harm silently, so
//! it is compared with the store's.

use std::{sync::Arc, time::Duration};

use quhao_common::store::Store;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::health::Health;

const EVERY: Duration = Duration::from_secs(30);
/// The most that is tolerated.
const OFF_MAX: Duration = Duration::from_secs(5);

/// Compares the clocks now and every half minute, until `draining` or until they differ.
pub async fn watch(store: Arc<Store>, health: Arc<Health>, draining: CancellationToken) {
    loop {
        let before = OffsetDateTime::now_utc();
        // A store that is out of reach says nothing about the clock.
        if let Ok(theirs) = store.now().await
            && let Some(off) = difference(before, theirs, OffsetDateTime::now_utc())
        {
            let reason = format!("this machine's clock is {off:.1?} off the store's");
            error!(
                reason,
                "this worker takes no more jobs until that is mended and it is restarted"
            );
            return health.stuck(reason);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = draining.cancelled() => return,
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
