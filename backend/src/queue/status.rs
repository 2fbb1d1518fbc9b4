//! What a process does with the queue, and how the queue stands.

/// What this process does with the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Whether it publishes jobs or hands outcomes over.
    pub publish: bool,
    /// Whether it takes deliveries, and how many it holds unsettled at most.
    pub prefetch_max: Option<u16>,
}

/// How many envelopes wait, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depths {
    /// Jobs, to be worked on.
    pub jobs: u64,
    /// Jobs that no binding wanted: they are worked on all the same.
    pub unrouted: u64,
    /// Outcomes, to be committed.
    pub resume: u64,
    /// What was set aside.
    pub dead: u64,
}

/// How one direction of the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// Working.
    Up,
    /// Working, but whoever publishes was asked to wait, in words for an operator. So was
    /// every other process.
    Blocked(&'static str),
    /// Not working, in words for an operator.
    Down(&'static str),
}
