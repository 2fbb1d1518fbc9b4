//! Retention: what is past its time leaves the store.

use std::{sync::Arc, time::Duration};

use quhao_backend::store::Store;
use quhao_common::process::metrics;
use tokio_util::sync::CancellationToken;
use tracing::debug;

const EVERY: Duration = Duration::from_mins(1);
/// Rows of a table in one transaction: more would hold up the commits of outcomes.
const ROWS_MAX: u32 = 500;
/// Between two transactions, while there is more.
const BREATH: Duration = Duration::from_millis(100);

/// Purges every minute, until `draining`. Any number of workers may.
pub async fn run(store: Arc<Store>, draining: CancellationToken) {
    loop {
        let pause = match store.purge(ROWS_MAX).await {
            Ok(purged) => {
                metrics::purged("answers", purged.answers);
                metrics::purged("sessions", purged.sessions);
                metrics::purged("callbacks", purged.callbacks);
                metrics::purged("erasures", purged.erasures);
                let most = purged.answers.max(purged.sessions).max(purged.callbacks);
                let more = most.max(purged.erasures) >= u64::from(ROWS_MAX);
                if more { BREATH } else { EVERY.mul_f64(0.5 + rand::random::<f64>()) }
            }
            Err(error) => {
                debug!(%error, "nothing could be purged");
                EVERY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = draining.cancelled() => return,
        }
    }
}
