//! Answers as the databases keep them.

use time::OffsetDateTime;

use super::{columns::job_key, error::StoreError};
use quhao_common::{
    crypto::vault::Sealed,
    domain::answer::{AnswerValidity, StoredAnswer},
};

/// The status of a job that failed, as column `jobs.status` has it.
pub(super) const FAILED: i16 = 1;
/// The status of a job that succeeded.
pub(super) const SUCCEEDED: i16 = 2;
/// The status of a job whose answer was erased.
pub(super) const ERASED: i16 = 3;

/// The columns of table `jobs` that make an answer.
#[derive(Debug)]
pub(super) struct AnswerRow {
    pub(super) key: Vec<u8>,
    pub(super) created_at: OffsetDateTime,
    pub(super) expires_at: OffsetDateTime,
    pub(super) finished_at: OffsetDateTime,
    pub(super) purge_at: OffsetDateTime,
    /// The sealed answer; `None` if it was erased.
    pub(super) answer: Option<Vec<u8>>,
    /// The failure's code; `None` for a success, or if it was erased.
    pub(super) failure: Option<String>,
}

impl AnswerRow {
    /// Reads the answer.
    pub(super) fn into_answer(self) -> Result<StoredAnswer, StoreError> {
        Ok(StoredAnswer {
            key: job_key(self.key)?,
            created_at: self.created_at,
            expires_at: self.expires_at,
            finished_at: self.finished_at,
            purge_at: self.purge_at,
            answer: self.answer.map(Sealed::from_bytes),
            validity: AnswerValidity::of(self.failure.as_deref(), self.expires_at),
        })
    }
}
