//! What becomes of outcomes that a worker holds when it must end and cannot commit them:
//! they go to another worker through the queue, sealed and whole. No code is spent twice.

use std::{ops::AddAssign, time::Duration};

use futures_util::{StreamExt, stream};
use quhao_backend::queue::Disposition;
use quhao_common::{
    domain::finished::Finished,
    envelope::outcome,
    process::{backoff::Backoff, metrics, registry::Registry},
};
use tracing::{error, info};

use super::{Held, Place, Writer};

/// On their way to the queue at once.
const AT_ONCE_MAX: usize = 256;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

/// How many outcomes others will commit, and how many nobody will.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HandedOver {
    taken: usize,
    refused: usize,
}

impl AddAssign for HandedOver {
    fn add_assign(&mut self, more: Self) {
        self.taken += more.taken;
        self.refused += more.refused;
    }
}

impl HandedOver {
    /// Says so, if there is something to say.
    pub(super) fn tell(self) {
        let Self { taken, refused } = self;
        if taken > 0 {
            info!(outcomes = taken, "outcomes were handed over, for others to commit");
        }
        if refused > 0 {
            error!(
                outcomes = refused,
                "outcomes are lost: neither the store nor the queue takes them"
            );
        }
    }
}

impl Writer {
    /// Hands `outcomes` over. What the queue does not take before the drain is over stays
    /// unsettled: it comes again elsewhere, and its code is spent.
    pub(super) async fn hand_over(&self, outcomes: Vec<(Finished, Held)>) -> HandedOver {
        let registry = self.context.live.now();
        let each = stream::iter(outcomes).map(|(finished, held)| {
            let registry = &registry;
            async move { self.hand_over_in_time(registry, finished, held).await }
        });
        let sum = |mut sum: HandedOver, one| async move {
            sum += one;
            sum
        };
        each.buffer_unordered(AT_ONCE_MAX).fold(HandedOver::default(), sum).await
    }

    async fn hand_over_in_time(
        &self,
        registry: &Registry,
        finished: Finished,
        held: Held,
    ) -> HandedOver {
        if let Place::Aside(_) = held.place {
            // It is in the queue as it is.
            held.delivery.settle(Disposition::Requeue);
            return HandedOver::default();
        }
        tokio::select! {
            biased;
            () = self.hand_over_one(registry, &finished, &held) => {}
            () = self.drain.is_over() => {
                metrics::outcome_resumed("refused");
                return HandedOver { taken: 0, refused: 1 };
            }
        }
        metrics::outcome_resumed("handed_over");
        self.settle(&finished, held, Disposition::Ack);
        HandedOver { taken: 1, refused: 0 }
    }

    /// Ends when the queue has taken it.
    async fn hand_over_one(&self, registry: &Registry, finished: &Finished, held: &Held) {
        let body = outcome::seal(&registry.vault, &held.id, finished);
        let mut failures = 0;
        while self.queue.hand_over(held.id, body.clone()).await.is_err() {
            failures += 1;
            tokio::time::sleep(BACKOFF.pause(failures, rand::random())).await;
        }
    }
}
