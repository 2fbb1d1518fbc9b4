//! What becomes of jobs that a worker can work on: those that have an answer need nothing,
//! the others begin.

use std::{collections::HashSet, time::Instant};

use quhao_backend::queue::{Delivery, Disposition};
use quhao_common::domain::id::JobKey;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Consumer, STORE_PAUSE};
use crate::{
    consumer::quarantine::is_suspect,
    context::{Context, Taken},
    health::{STORE_BLIP_MAX, StoreUse},
    settlement::answered::{self, AnsweredDuplicate},
};

impl Consumer {
    /// Settles what has an answer already, and starts the rest; gives it back and returns
    /// false if the store does not tell, or what is left of it once the store is lost.
    pub(super) async fn start_unknown(
        &self,
        taken: Vec<(Taken, Delivery)>,
        draining: &CancellationToken,
    ) -> bool {
        let copy = |(taken, _): &(Taken, _)| (taken.job.id.key(), taken.job.expires_at);
        let all: Vec<_> = taken.iter().map(copy).collect();
        let known = draining.run_until_cancelled(self.answered(&all)).await.flatten();
        if known.is_none() {
            // First, or what goes back would come again at once.
            self.queue.pause_consuming().await;
        }
        let mut reachable = known.is_some();
        let in_flight = &self.starter.in_flight;
        let mut copies = Vec::new();
        for (taken, delivery) in taken {
            let key = taken.job.id.key();
            match &known {
                None => in_flight.settle(key, delivery, Disposition::Requeue),
                // Its slot may be kept by an outcome that cannot be committed.
                Some(_) if draining.is_cancelled() => {
                    in_flight.settle(key, delivery, Disposition::Requeue);
                }
                Some(known) if known.contains(&key) => {
                    copies.push(AnsweredDuplicate {
                        key,
                        expires_at: taken.job.expires_at,
                        delivery,
                    });
                }
                Some(_) if is_suspect(delivery.lane) => self.suspects.admit(taken, delivery),
                Some(_) if !reachable => in_flight.settle(key, delivery, Disposition::Requeue),
                Some(_) => {
                    // There was a free one a moment ago; jobs from the side list may have
                    // been quicker, and give it back soon.
                    tokio::select! {
                        slot = self.slots.take() => self.starter.start(taken, delivery, slot),
                        // Then slots may be kept by outcomes that cannot be committed.
                        () = self.health.store_lost() => {
                            self.queue.pause_consuming().await;
                            reachable = false;
                            in_flight.settle(key, delivery, Disposition::Requeue);
                        }
                        () = draining.cancelled() => {
                            in_flight.settle(key, delivery, Disposition::Requeue);
                        }
                    }
                }
            }
        }
        let Context { store, retention, .. } = &**self.context();
        answered::settle(store, *retention, in_flight, copies).await;
        reachable
    }

    /// Which of `copies`, each with its deadline, have an answer; `None` if the store does not
    /// say in time.
    async fn answered(&self, copies: &[(JobKey, OffsetDateTime)]) -> Option<HashSet<JobKey>> {
        let began = Instant::now();
        loop {
            match self.context().store.answered(copies).await {
                Ok(known) => {
                    self.health.store_answers(StoreUse::Look);
                    return Some(known);
                }
                Err(error) => {
                    if self.health.store_fails(StoreUse::Look) {
                        warn!(%error, "no jobs are started until the store is back");
                    }
                }
            }
            if began.elapsed() > STORE_BLIP_MAX {
                return None;
            }
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}
