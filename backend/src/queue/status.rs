//! What a process does with the queue, and the state of the queue.

/// What a process does with the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Whether it publishes jobs or hands over outcomes.
    pub publish: bool,
    /// The most deliveries that it holds unsettled; `None` if it consumes nothing.
    pub prefetch_max: Option<u16>,
}

/// How many envelopes are ready to be handed out, by what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depths {
    /// Jobs in the queue of jobs.
    pub jobs: u64,
    /// Jobs that did not get into the queue of jobs. Workers run them all the same, but
    /// somebody has changed the queue's set-up.
    pub unrouted: u64,
    /// Outcomes to commit.
    pub outcomes: u64,
    /// Dead letters.
    pub dead_letters: u64,
}

/// The state of one direction of the queue. The texts are for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStatus {
    /// It works.
    Up,
    /// It works, but publishers were asked to stop: those of this process and of all others.
    Blocked(&'static str),
    /// It does not work.
    Down(&'static str),
}
