//! Why the store did not do what it was asked.

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, restarting, read-only, out of connections, or silent: the same
    /// call may work later.
    #[error("the store is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It refuses what was asked: the same call will never work.
    #[error("the store refuses the statement: {0}")]
    Rejected(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It holds what this build cannot read.
    #[error("the store holds a row of an unknown form: {0}")]
    Form(&'static str),
    /// The setting is not usable.
    #[error("the store's settings are not usable: {0}")]
    Settings(String),
}
