//! What is in a dead letter, and what to do with it: its job gets an answer if somebody is to
//! be notified or would not know otherwise.

use quhao_backend::queue::DeadLetterReason;
use quhao_common::{
    crypto::vault::Vault,
    domain::{failure::FailureCode, finished::Finished, id::JobId, job::Job},
    envelope::{self, error::EnvelopeError},
};

/// The contents of a dead-lettered envelope.
#[derive(Debug)]
pub(crate) enum DeadLetterBody {
    /// A job.
    Job(Box<Job>),
    /// The outcome of a job, which nobody committed.
    Outcome(JobId, Box<Finished>),
}

/// Opens a dead-lettered envelope.
pub(crate) fn open(vault: &Vault, body: &[u8]) -> Result<DeadLetterBody, EnvelopeError> {
    if envelope::outcome::is_outcome(body) {
        let (id, finished) = envelope::outcome::open(vault, body)?;
        return Ok(DeadLetterBody::Outcome(id, Box::new(finished)));
    }
    Ok(DeadLetterBody::Job(Box::new(envelope::job::open(vault, body)?)))
}

/// What is known of a dead-lettered job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The reason why it was dead-lettered.
    pub(crate) reason: DeadLetterReason,
    /// Whether its deadline has passed.
    pub(crate) deadline_passed: bool,
    /// Whether somebody is to be notified of its end.
    pub(crate) must_notify: bool,
}

/// What to do with a dead-lettered job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadLetterAction {
    /// Drop it: whoever polls reads `deadline_exceeded` from the URL.
    Drop,
    /// Record this failure.
    RecordFailure(FailureCode),
}

impl DeadLetter {
    /// Returns what to do with it.
    pub(crate) fn action(self) -> DeadLetterAction {
        let is_expired = match self.reason {
            DeadLetterReason::Expired => true,
            DeadLetterReason::Other => self.deadline_passed,
            // It crashed its workers, or its outcome could not be kept.
            DeadLetterReason::DeliveryLimit | DeadLetterReason::Rejected => false,
        };
        match (is_expired, self.must_notify) {
            (true, true) => DeadLetterAction::RecordFailure(FailureCode::DeadlineExceeded),
            (true, false) => DeadLetterAction::Drop,
            (false, _) => DeadLetterAction::RecordFailure(FailureCode::DeadLettered),
        }
    }
}

#[cfg(test)]
mod tests;
