//! Why the queue did not do what it was asked.

/// Why an envelope was not taken, or not surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue is at its limit: refused, surely not stored.
    #[error("the queue is full")]
    Full,
    /// There is no link, or the queue has asked producers to stop: surely not stored.
    #[error("the queue is out of reach")]
    Unavailable,
    /// Sent, but no answer came in time: may be stored, may be not. Publishing the same
    /// again is safe, since it is the same job.
    #[error("the queue did not confirm in time")]
    Unconfirmed,
}

impl PublishError {
    /// The value of its metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unavailable => "unavailable",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Why the queue could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The setting is not usable.
    #[error("the queue's settings are not usable: {0}")]
    Settings(String),
    /// There is no link.
    #[error("the queue is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the queue did not answer in time")]
    Timeout,
}
