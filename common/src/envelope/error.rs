//! Why the body of a message cannot be read.

use crate::crypto::vault::VaultError;

/// Why a body is not what it should be: a job, an outcome or a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A newer quhao made it: this worker must not touch it.
    #[error("envelope version {0} is unknown to this build")]
    Version(u8),
    /// It was sealed with a key that this worker does not have.
    #[error("sealed with key k{0}, which [secrets] seal does not list")]
    UnknownKey(u8),
    /// It is an outcome that only a newer quhao knows.
    #[error("the outcome is a failure that is unknown to this build")]
    UnknownFailure,
    /// No quhao made it, or it was changed since.
    #[error("the envelope is damaged")]
    Damaged,
}

impl EnvelopeError {
    /// Returns whether another worker could read the body, or this one after a change of its
    /// configuration. If not, nobody ever will.
    pub fn is_recoverable_here(self) -> bool {
        !matches!(self, Self::Damaged)
    }
}

impl From<VaultError> for EnvelopeError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::UnknownKey(number) => Self::UnknownKey(number),
            VaultError::Damaged => Self::Damaged,
        }
    }
}
