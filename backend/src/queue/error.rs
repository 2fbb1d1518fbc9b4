//! Why a call to the queue failed.

use std::borrow::Cow;

use quhao_common::process::metrics::LabelValue;

/// Why a message was not published, or not certainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue is at its limit and refused the message: certainly not stored.
    #[error("the queue is full")]
    Full,
    /// There is no connection, or the queue has blocked publishers: certainly not stored.
    #[error("the queue is out of reach")]
    Unavailable,
    /// The message was sent, but no confirm came in time: it may be stored or not.
    /// Publishing it again is safe, since it is the same job.
    #[error("the queue did not confirm in time")]
    Unconfirmed,
}

impl LabelValue for PublishError {
    fn label_value(&self) -> Cow<'static, str> {
        match self {
            Self::Full => "full".into(),
            Self::Unavailable => "unavailable".into(),
            Self::Unconfirmed => "unconfirmed".into(),
        }
    }
}

/// Why the queue could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A setting can never work.
    #[error("the queue's settings are not usable: {0}")]
    Settings(String),
    /// There is no connection.
    #[error("the queue is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer came in time.
    #[error("the queue did not answer in time")]
    Timeout,
}
