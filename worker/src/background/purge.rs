//! Deletes from the store what is past its retention.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::Store;
use quhao_common::process::metrics::{self, PurgedTable};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The mean pause between two purges.
const INTERVAL: Duration = Duration::from_mins(1);
/// Rows of a table in one transaction: more would hold up the commits of outcomes.
const ROWS_MAX: u32 = 500;
/// The pause between two transactions while there is more to delete.
const MORE_PAUSE: Duration = Duration::from_millis(100);

/// Purges every minute, until `draining`. Any number of workers may.
pub(crate) async fn run(store: Arc<Store>, draining: CancellationToken) {
    loop {
        let pause = match store.purge(ROWS_MAX).await {
            Ok(purged) => {
                metrics::purged(PurgedTable::Answers, purged.answers);
                metrics::purged(PurgedTable::Sessions, purged.sessions);
                metrics::purged(PurgedTable::Callbacks, purged.callbacks);
                metrics::purged(PurgedTable::Erasures, purged.erasures);
                let counts = [purged.answers, purged.sessions, purged.callbacks, purged.erasures];
                let has_more = counts.iter().any(|count| *count >= u64::from(ROWS_MAX));
                // Workers that began together do not purge together for ever.
                if has_more { MORE_PAUSE } else { INTERVAL.mul_f64(0.5 + rand::random::<f64>()) }
            }
            Err(error) => {
                debug!(%error, "nothing could be purged");
                INTERVAL
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = draining.cancelled() => return,
        }
    }
}
