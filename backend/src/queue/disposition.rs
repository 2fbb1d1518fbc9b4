//! How a delivery is settled.

/// What to do with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Forget it: its outcome is committed.
    Ack,
    /// Hand it to another worker now, or to this one later: this one cannot run it now.
    Requeue,
    /// Dead-letter it: nobody will ever be able to read it.
    DeadLetter,
}
