//! An outcome on its way to the store.

use quhao_backend::queue::Delivery;
use quhao_common::domain::{finished::Finished, id::JobId};

use crate::{
    settlement::{self, CommitResult, in_flight::InFlight},
    slots::Slot,
};

/// An outcome to commit.
#[derive(Debug)]
pub(crate) struct PendingOutcome {
    /// The row to commit.
    pub(crate) row: Finished,
    /// What is settled and released then.
    pub(crate) unsettled: Unsettled,
}

/// What is settled and released when an outcome is committed.
#[derive(Debug)]
pub(crate) struct Unsettled {
    /// The job whose outcome it is.
    pub(crate) id: JobId,
    /// The delivery to settle.
    pub(crate) delivery: Delivery,
    /// Where the outcome came from.
    pub(crate) source: OutcomeSource,
}

/// Where an outcome came from.
#[derive(Debug)]
pub(crate) enum OutcomeSource {
    /// A job that ran here. Its slot is released after the commit.
    Job(Slot),
    /// Another worker, which could not commit it.
    HandedOver,
    /// A dead letter.
    DeadLetter,
}

impl Unsettled {
    /// Settles the delivery whose outcome is `row`, and releases the slot.
    pub(super) fn release(self, in_flight: &InFlight, row: &Finished, result: CommitResult) {
        match self.source {
            OutcomeSource::Job(slot) => {
                settlement::settle_job(in_flight, row, self.delivery, result);
                drop(slot);
            }
            OutcomeSource::HandedOver => settlement::settle_outcome(self.delivery, result),
            OutcomeSource::DeadLetter => settlement::settle_dead_letter(self.delivery, result),
        }
    }
}
