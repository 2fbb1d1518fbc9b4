//! Why a call to the store failed.

/// Why a call to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is out of reach, restarting, read-only, out of connections, or does not
    /// answer: the same call may work later.
    #[error("the store is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store refuses the data: the same call will never work.
    #[error("the store refuses the data: {0}")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store holds a row that this build cannot read.
    #[error("the store holds a row of an unknown form: {0}")]
    Form(&'static str),
    /// A setting can never work.
    #[error("the store's settings are not usable: {0}")]
    Settings(String),
}
