//! The roles of a process.

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// HTTP in, queue out.
    Producer,
    /// Queue in, results out.
    Worker,
    /// Both, in one process.
    Both,
}

impl Role {
    /// Returns whether the process accepts submissions.
    pub(crate) fn produces(self) -> bool {
        self != Self::Worker
    }

    /// Returns whether the process works on jobs.
    pub(crate) fn works(self) -> bool {
        self != Self::Producer
    }
}
