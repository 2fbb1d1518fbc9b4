//! What a job's row keeps sealed: the whole of what its owner may read.

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

/// The outcome of a job, with what the caller gave us to give back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// What came of it.
    pub outcome: Outcome,
    /// What it had consisted of: decides the advice of a failure.
    pub shape: Shape,
    /// The caller's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    /// Where word of it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<AnswerCallback>,
}

/// What a callback needs and the row does not tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AnswerCallback {
    /// Where it goes.
    pub url: CallbackUrl,
    /// The id as the client knows it, whatever the id secrets are by then.
    pub id: JobId,
}

/// Why a stored answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The box does not open.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The box opens, but what is inside was made by another version.
    #[error("the stored answer is of an unknown form")]
    Form,
}

impl Answer {
    /// The answer to `job`.
    pub fn new(job: &Job, outcome: Outcome) -> Self {
        Self {
            outcome,
            shape: job.work.shape(),
            metadata: job.metadata.as_ref().map(|metadata| metadata.json().to_owned()),
            callback: job.callback_url.clone().map(|url| AnswerCallback { url, id: job.id }),
        }
    }

    /// The caller's metadata.
    pub fn metadata(&self) -> Option<Metadata> {
        self.metadata.clone().map(Metadata::new)
    }

    /// Seals it for its row.
    pub fn seal(&self, vault: &Vault, key: JobKey, app: &AppId) -> Sealed {
        vault.seal_json(place(&key, app), self)
    }

    /// Opens what [`Answer::seal`] made.
    pub fn open(
        vault: &Vault,
        key: JobKey,
        app: &AppId,
        sealed: &Sealed,
    ) -> Result<Self, AnswerError> {
        let text = vault.open(place(&key, app), sealed.as_bytes())?;
        // The inner error would quote the text.
        serde_json::from_slice(&text).map_err(|_| AnswerError::Form)
    }
}

fn place<'a>(key: &'a JobKey, app: &'a AppId) -> AssociatedData<'a> {
    AssociatedData { table: "jobs", key: key.as_bytes(), app: app.as_str() }
}

/// A stored answer.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// The job.
    pub key: JobKey,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Its deadline.
    pub expires_at: OffsetDateTime,
    /// When the outcome was known.
    pub finished_at: OffsetDateTime,
    /// When the row may go; after this it counts as gone.
    pub purge_at: OffsetDateTime,
    /// The sealed [`Answer`]; `None` if it was erased, and only the fact is
    /// kept.
    pub answer: Option<Sealed>,
    /// For which copies of its job it holds.
    pub validity: AnswerValidity,
}

/// For which copies of its job an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerValidity {
    /// For all.
    Always,
    /// For those whose deadline is not later: all it says is that this one passed.
    Until(OffsetDateTime),
}

impl AnswerValidity {
    /// For which copies a row holds that has this `failure`, if any, and this deadline.
    pub fn of(failure: Option<&str>, expires_at: OffsetDateTime) -> Self {
        if failure == Some(FailureCode::DeadlineExceeded.as_str()) {
            Self::Until(expires_at)
        } else {
            Self::Always
        }
    }

    /// Whether it holds for a copy whose deadline is `expires_at`.
    pub fn covers(self, expires_at: OffsetDateTime) -> bool {
        match self {
            Self::Always => true,
            Self::Until(until) => expires_at <= until,
        }
    }
}
