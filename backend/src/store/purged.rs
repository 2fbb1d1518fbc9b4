//! What a purge deleted.

/// How many rows a purge deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// Answers.
    pub answers: u64,
    /// Sessions.
    pub sessions: u64,
    /// Callbacks.
    pub callbacks: u64,
    /// Records of erasures.
    pub erasures: u64,
}
