//! What becomes of outcomes that a worker holds when it must end and cannot commit them:
//! they go to another worker through the queue, sealed and whole. No code is spent twice.

use std::{ops::AddAssign, time::Duration};

use futures_util::{StreamExt, stream};
use quhao_common::{
    envelope,
    process::{
        backoff::Backoff,
        metrics::{self, HandOverResult},
        registry::Registry,
    },
};
use tracing::{error, info};

use super::{OutcomeSource, PendingOutcome, Writer};
use crate::settlement::{self, CommitResult};

/// Outcomes that are on their way to the queue at once, at most.
const CONCURRENCY_MAX: usize = 256;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// How many outcomes other workers will commit, and how many nobody will.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HandedOver {
    confirmed: usize,
    lost: usize,
}

impl AddAssign for HandedOver {
    fn add_assign(&mut self, more: Self) {
        self.confirmed += more.confirmed;
        self.lost += more.lost;
    }
}

impl HandedOver {
    /// Logs the counts that are not zero.
    pub(super) fn log(self) {
        if self.confirmed > 0 {
            info!(outcomes = self.confirmed, "handed outcomes over, for other workers to commit");
        }
        if self.lost > 0 {
            error!(
                outcomes = self.lost,
                "lost outcomes: neither the store nor the queue took them in time"
            );
        }
    }
}

impl Writer {
    /// Hands `outcomes` over. What the queue does not take before the drain is over stays
    /// unsettled: it comes again elsewhere, and its code is spent.
    pub(super) async fn hand_over(&self, outcomes: Vec<PendingOutcome>) -> HandedOver {
        let registry = &self.context.live.now();
        let mut each = stream::iter(outcomes)
            .map(|outcome| self.hand_over_in_time(registry, outcome))
            .buffer_unordered(CONCURRENCY_MAX);
        let mut all = HandedOver::default();
        while let Some(one) = each.next().await {
            all += one;
        }
        all
    }

    async fn hand_over_in_time(&self, registry: &Registry, outcome: PendingOutcome) -> HandedOver {
        match outcome.unsettled.source {
            OutcomeSource::Job(_) => {}
            OutcomeSource::HandedOver | OutcomeSource::DeadLetter => {
                // It is in the queue as it is.
                settlement::requeue([outcome.unsettled.delivery]);
                return HandedOver::default();
            }
        }
        tokio::select! {
            biased;
            () = self.hand_over_one(registry, &outcome) => {}
            () = self.drain.time_over() => {
                metrics::outcome_handed_over(HandOverResult::Refused);
                return HandedOver { confirmed: 0, lost: 1 };
            }
        }
        let PendingOutcome { row, unsettled } = outcome;
        unsettled.release(&self.in_flight, &row, CommitResult::HandedOver);
        HandedOver { confirmed: 1, lost: 0 }
    }

    /// Hands one outcome over, and tries until the queue has taken it.
    async fn hand_over_one(&self, registry: &Registry, outcome: &PendingOutcome) {
        let id = outcome.unsettled.id;
        let body = envelope::outcome::seal(&registry.vault, &id, &outcome.row);
        let mut failures = 0;
        while self.queue.hand_over(id, body.clone()).await.is_err() {
            failures += 1;
            tokio::time::sleep(BACKOFF.pause(failures, rand::random())).await;
        }
    }
}
