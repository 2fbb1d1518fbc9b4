//! Starts jobs that have no answer yet, and settles those that have one.

use std::{collections::HashSet, time::Instant};

use quhao_common::domain::id::JobKey;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Consumer, STORE_PAUSE, quarantine::is_quarantined};
use crate::{
    health::{STORE_BLIP_MAX, StoreUse},
    job::received::ReceivedJob,
    settlement::{
        self,
        answered::{self, AnsweredDuplicate},
    },
    slots::Slot,
};

/// The store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreLost;

impl Consumer {
    /// Settles the jobs that have an answer, and starts the others. Requeues all if the store
    /// does not say which, or what is left once the store is lost; then it fails.
    pub(super) async fn start_unanswered(
        &self,
        jobs: Vec<ReceivedJob>,
        draining: &CancellationToken,
    ) -> Result<(), StoreLost> {
        let in_flight = self.in_flight();
        let keys: Vec<_> =
            jobs.iter().map(|received| (received.job.id.key(), received.job.expires_at)).collect();
        let answered = draining.run_until_cancelled(self.answered(&keys)).await.flatten();
        let Some(answered) = answered else {
            // First, or what is requeued would come again at once.
            self.queue.pause_consuming().await;
            for received in jobs {
                settlement::requeue_job(in_flight, received.job.id.key(), received.delivery);
            }
            return Err(StoreLost);
        };
        let mut store = Ok(());
        let mut duplicates = Vec::new();
        for received in jobs {
            let key = received.job.id.key();
            if draining.is_cancelled() {
                // Slots may be kept by outcomes that cannot be committed.
                settlement::requeue_job(in_flight, key, received.delivery);
            } else if answered.contains(&key) {
                let expires_at = received.job.expires_at;
                duplicates.push(AnsweredDuplicate { key, expires_at, delivery: received.delivery });
            } else if is_quarantined(received.delivery.lane) {
                self.quarantine.admit(received);
            } else if let Some(slot) = self.take_slot(&mut store, draining).await {
                self.starter.start(received, slot);
            } else {
                settlement::requeue_job(in_flight, key, received.delivery);
            }
        }
        let context = self.context();
        answered::settle_jobs(&context.store, context.retention, in_flight, duplicates).await;
        store
    }

    /// Takes a slot. There was a free one a moment ago; jobs that waited outside may have been
    /// quicker, and release it soon. Returns `None` if the worker drains, or once the `store` is
    /// lost: then slots may be kept by outcomes that cannot be committed.
    async fn take_slot(
        &self,
        store: &mut Result<(), StoreLost>,
        draining: &CancellationToken,
    ) -> Option<Slot> {
        if store.is_err() {
            return None;
        }
        tokio::select! {
            slot = self.slots.take() => Some(slot),
            () = self.health.store_lost() => {
                // First, or what is requeued would come again at once.
                self.queue.pause_consuming().await;
                *store = Err(StoreLost);
                None
            }
            () = draining.cancelled() => None,
        }
    }

    /// Returns which of `jobs`, each with its deadline, have an answer. Returns `None` if the
    /// store does not say in time.
    async fn answered(&self, jobs: &[(JobKey, OffsetDateTime)]) -> Option<HashSet<JobKey>> {
        let began = Instant::now();
        loop {
            match self.context().store.answered(jobs).await {
                Ok(answered) => {
                    self.health.store_answered(StoreUse::Lookup);
                    return Some(answered);
                }
                Err(error) => {
                    if self.health.store_failed(StoreUse::Lookup) {
                        warn!(%error, "store unavailable: not starting jobs");
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
