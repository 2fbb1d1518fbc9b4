//! The outcome of a job.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::domain::{failure::Failure, phone::Phone};

/// The outcome of a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The job gave what was asked for.
    Succeeded(Success),
    /// The job failed, and why.
    Failed(Failure),
}

/// The result of a job that succeeded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Success {
    /// The platform's id of the guest within the app.
    pub openid: Option<String>,
    /// The guest's id across the apps of one owner, where the platform gives it.
    pub unionid: Option<String>,
    /// The content of the ciphertext.
    pub opened: Opened,
    /// When the platform made the payload, by its watermark.
    #[serde(with = "time::serde::timestamp::option")]
    pub watermark_at: Option<OffsetDateTime>,
}

/// The content of a ciphertext.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opened {
    /// There was no ciphertext.
    Nothing,
    /// A phone number.
    Phone(Phone),
    /// Any object, byte for byte.
    OpenData(Box<RawValue>),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Phone(_) => "Phone(redacted)",
            Self::OpenData(_) => "OpenData(redacted)",
        })
    }
}
