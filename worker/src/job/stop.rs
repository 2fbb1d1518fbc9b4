//! Why a job stops before it has a result.

use quhao_common::domain::failure::Failure;

use crate::slots::Draining;

/// The reason why a job stops before it has a result, which is what happens to it then.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ends with this failure, which is committed.
    Fail(Failure),
    /// A duplicate of it has an answer already: it is acked, and nothing is committed.
    AlreadyAnswered,
    /// Its deadline passed before the first call.
    DeadlinePassed,
    /// This worker is draining or cannot reach the store: it is requeued for another worker.
    Requeue,
}

impl From<Draining> for Stop {
    fn from(_: Draining) -> Self {
        Self::Requeue
    }
}

/// The reason why a job got nothing from the platform.
#[derive(Debug)]
pub(crate) enum CallError {
    /// Somebody has spent the code. The job ends with this failure if no duplicate or rival has
    /// a result.
    CodeSpent(Failure),
    /// The job stops.
    Stop(Stop),
}

impl From<Stop> for CallError {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Draining> for CallError {
    fn from(draining: Draining) -> Self {
        Self::Stop(draining.into())
    }
}
