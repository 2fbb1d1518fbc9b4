//! How many jobs wait, for whoever scales workers.

use std::{sync::Arc, time::Duration};

use quhao_common::{metrics, queue::Queue};
use tokio_util::sync::CancellationToken;
use tracing::debug;

const EVERY: Duration = Duration::from_secs(5);

/// Asks the queue every few seconds, until `draining`.
pub async fn watch(queue: Arc<Queue>, draining: CancellationToken) {
    loop {
        match queue.depth().await {
            Ok(depth) => metrics::queue_depth(depth),
            Err(error) => debug!(%error, "the queue does not tell its depth"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = draining.cancelled() => return,
        }
    }
}
