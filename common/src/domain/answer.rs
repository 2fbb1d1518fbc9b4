//! The answer to a job: what its row keeps sealed, all that its owner may read.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::{
    crypto::vault::{AssociatedData, Sealed, Vault, VaultError},
    domain::{
        app::AppId,
        callback_target::CallbackUrl,
        failure::FailureCode,
        id::{JobId, JobKey},
        job::{Job, Metadata, Shape},
        outcome::Outcome,
    },
};

/// The outcome of a job, with what the caller gave to be given back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// What the job consisted of, which decides the advice of a failure.
    pub shape: Shape,
    /// The caller's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    /// Where its event is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<AnswerCallback>,
}

/// What a callback needs and the row does not hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnswerCallback {
    /// Where the event is sent.
    pub url: CallbackUrl,
    /// The job's id as the client knows it, whatever the id secrets are by then.
    pub id: JobId,
}

/// Why a stored answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The sealed bytes do not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The sealed bytes open, but another version wrote what is inside.
    #[error("the stored answer is of an unknown form")]
    Form,
}

impl Answer {
    /// Creates the answer to `job`.
    pub fn new(job: &Job, outcome: Outcome) -> Self {
        Self {
            outcome,
            shape: job.work.shape(),
            metadata: job.metadata.as_ref().map(|metadata| metadata.json().to_owned()),
            callback: job.callback_url.clone().map(|url| AnswerCallback { url, id: job.id }),
        }
    }

    /// Returns the caller's metadata.
    pub fn metadata(&self) -> Option<Metadata> {
        self.metadata.clone().map(Metadata::new)
    }

    /// Returns the openid of the guest whose session the result names. `None` without a
    /// result, and for a phone code: the platform gives no session for one.
    pub fn session_openid(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Succeeded(success) if self.shape != Shape::PhoneCode => {
                success.openid.as_deref()
            }
            Outcome::Succeeded(_) | Outcome::Failed(_) => None,
        }
    }

    /// Seals it for its row.
    pub fn seal(&self, vault: &Vault, key: JobKey, app: &AppId) -> Sealed {
        vault.seal_json(associated_data(&key, app), self)
    }

    /// Opens what [`Answer::seal`] made.
    pub fn open(
        vault: &Vault,
        key: JobKey,
        app: &AppId,
        sealed: &Sealed,
    ) -> Result<Self, AnswerError> {
        let text = vault.open(associated_data(&key, app), sealed.as_bytes())?;
        // The inner error would quote the text.
        serde_json::from_slice(&text).map_err(|_| AnswerError::Form)
    }
}

fn associated_data<'a>(key: &'a JobKey, app: &'a AppId) -> AssociatedData<'a> {
    AssociatedData { table: "jobs", key: key.as_bytes(), app: app.as_str() }
}

/// An answer as its row holds it.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The job.
    pub key: JobKey,
    /// When the job was accepted.
    pub created_at: OffsetDateTime,
    /// The job's deadline.
    pub expires_at: OffsetDateTime,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may be deleted; after this it counts as deleted.
    pub purge_at: OffsetDateTime,
    /// The sealed [`Answer`]; `None` if it was erased and only the fact is kept.
    pub answer: Option<Sealed>,
    /// The duplicates of its job that it answers.
    pub validity: AnswerValidity,
}

/// The duplicates of its job that an answer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerValidity {
    /// All of them.
    Always,
    /// Those whose deadline is not later than this: the answer only says that it passed.
    Until(OffsetDateTime),
}

impl AnswerValidity {
    /// Returns the validity of a row with this `failure`, if any, and this deadline.
    pub fn of(failure: Option<&str>, expires_at: OffsetDateTime) -> Self {
        if failure == Some(FailureCode::DeadlineExceeded.as_str()) {
            Self::Until(expires_at)
        } else {
            Self::Always
        }
    }

    /// Returns whether it answers a duplicate whose deadline is `expires_at`.
    pub fn covers(self, expires_at: OffsetDateTime) -> bool {
        match self {
            Self::Always => true,
            Self::Until(until) => expires_at <= until,
        }
    }
}
