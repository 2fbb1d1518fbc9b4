//! Outcomes for which no job runs here.

use quhao_backend::queue::Delivery;
use quhao_common::{
    domain::{finished::Finished, id::JobId},
    envelope,
    process::registry::Registry,
};
use tracing::{error, info};

use super::{Consumer, sorted::Sorted};
use crate::{
    settlement,
    writer::{OutcomeSource, PendingOutcome, Unsettled},
};

impl Consumer {
    /// Sends the writer an outcome that another worker could not commit. Nobody is called for it.
    pub(super) fn commit_outcome(
        &self,
        registry: &Registry,
        delivery: Delivery,
        sorted: &mut Sorted,
    ) {
        match envelope::outcome::open(&registry.vault, &delivery.body) {
            Ok((id, row)) => {
                info!(%id, "committing an outcome that another worker handed over");
                self.commit(row, Unsettled { id, delivery, source: OutcomeSource::HandedOver });
            }
            Err(error) if error.is_recoverable_here() => {
                self.block(&error.to_string());
                sorted.blocked.push(delivery);
            }
            Err(error) => {
                error!(%error, "an outcome cannot be read and is dead-lettered");
                settlement::dead_letter_outcome(delivery);
            }
        }
    }

    /// Sends the writer the outcome of a dead letter.
    pub(super) fn commit_dead_letter(&self, id: JobId, row: Finished, delivery: Delivery) {
        self.commit(row, Unsettled { id, delivery, source: OutcomeSource::DeadLetter });
    }

    fn commit(&self, row: Finished, unsettled: Unsettled) {
        self.starter.commit(PendingOutcome { row, unsettled });
    }
}
