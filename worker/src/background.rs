//! What a worker does besides its jobs.

pub(crate) mod clock_check;
pub(crate) mod purge;
pub(crate) mod queue_depth;
