//! Measures how much waits in the queue, for whoever scales workers and for whoever is to look.

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::{Depths, Queue};
use quhao_common::process::metrics::{self, QueueName};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// The pause between two questions.
const INTERVAL: Duration = Duration::from_secs(5);

/// Asks the queue for its depths every few seconds, until `draining`.
pub(crate) async fn run(queue: Arc<Queue>, draining: CancellationToken) {
    loop {
        match queue.depths().await {
            Ok(Depths { jobs, unrouted, outcomes, dead_letters }) => {
                metrics::queue_depth(QueueName::Jobs, jobs);
                metrics::queue_depth(QueueName::Unrouted, unrouted);
                metrics::queue_depth(QueueName::Outcomes, outcomes);
                metrics::queue_depth(QueueName::DeadLetters, dead_letters);
            }
            Err(error) => debug!(%error, "the queue did not report its depths"),
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = draining.cancelled() => return,
        }
    }
}
