//! What becomes of jobs that were set aside: each gets an answer, if somebody has to be
//! told or would not know otherwise.

use std::time::Duration;

use quhao_backend::queue::{DeadLetterReason, Delivery, Disposition, Lane};
use quhao_common::{
    crypto::vault::Vault,
    domain::{
        answer::Answer,
        failure::{Failure, FailureCode},
        finished::{FinalState, Finished},
        id::JobId,
        job::Job,
        outcome::Outcome,
    },
    envelope::{self, job::EnvelopeError, outcome::ResumeError},
    process::metrics,
};
use time::OffsetDateTime;

/// What was inside an envelope that was set aside.
#[derive(Debug)]
pub enum Remains {
    /// A job.
    Job(Box<Job>),
    /// The outcome of a job, which nobody committed.
    Outcome(JobId, Box<Finished>),
}

/// Why there is nothing to be found inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// As a job.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// As an outcome.
    #[error(transparent)]
    Outcome(#[from] ResumeError),
}

impl Unreadable {
    /// Whether another worker, or this one after a change of its configuration, could read
    /// it.
    pub fn is_ours_to_mend(self) -> bool {
        match self {
            Self::Envelope(error) => error.is_ours_to_mend(),
            Self::Outcome(error) => error.is_ours_to_mend(),
        }
    }
}

/// Looks inside.
pub fn open(vault: &Vault, body: &[u8]) -> Result<Remains, Unreadable> {
    if envelope::outcome::is_outcome(body) {
        let (id, finished) = envelope::outcome::open(vault, body)?;
        return Ok(Remains::Outcome(id, Box::new(finished)));
    }
    Ok(Remains::Job(Box::new(envelope::job::open(vault, body)?)))
}

/// What to do with a job that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burial {
    /// Nothing: whoever asks is told by the deadline in the poll URL.
    Forget,
    /// Record this failure.
    Record(FailureCode),
}

/// Decides it, for a job that died of `death`, whose deadline is `over` or not, and of whose
/// end somebody wants to be told or not.
pub fn judge(death: DeadLetterReason, over: bool, told: bool) -> Burial {
    match death {
        DeadLetterReason::Expired => expired(told),
        DeadLetterReason::Other if over => expired(told),
        // It broke who worked on it, or its outcome could not be kept.
        DeadLetterReason::DeliveryLimit | DeadLetterReason::Rejected | DeadLetterReason::Other => {
            Burial::Record(FailureCode::DeadLettered)
        }
    }
}

fn expired(told: bool) -> Burial {
    if told { Burial::Record(FailureCode::DeadlineExceeded) } else { Burial::Forget }
}

/// Settles a copy of a job as its job was. One that was set aside needs no burial if that has
/// an answer.
pub fn settle_copy(copy: Delivery, disposition: Disposition) {
    if let (Lane::DeadLetters(death), Disposition::Ack) = (copy.lane, disposition) {
        metrics::dead_letter(death.as_str(), "answered");
    }
    copy.settle(disposition);
}

/// From when on word of the end of `job` may be sent. A deadline that passed is told when no
/// other outcome can be on its way any more, which is also when polls say so.
pub fn told_from(job: &Job, code: FailureCode, grace: Duration) -> OffsetDateTime {
    match code {
        FailureCode::DeadlineExceeded => job.expires_at + grace,
        _ => job.created_at,
    }
}

/// The failure of `job` without any work on it, sealed.
pub fn failed(
    vault: &Vault,
    job: &Job,
    code: FailureCode,
    (grace, retention): (Duration, Duration),
    now: OffsetDateTime,
) -> Finished {
    let key = job.id.key();
    Finished {
        key,
        client: job.client.clone(),
        app: job.app.clone(),
        final_state: FinalState::Failed(code),
        created_at: job.created_at,
        expires_at: job.expires_at,
        taken_at: None,
        finished_at: now,
        purge_at: job.expires_at + retention,
        answer: Answer::new(job, Outcome::Failed(Failure::from(code))).seal(vault, key, &job.app),
        openid: None,
        guest_hash: None,
        phone_hash: None,
        callback: job.callback_url.is_some().then(|| told_from(job, code, grace)),
        session: None,
    }
}
