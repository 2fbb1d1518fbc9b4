//! What a worker does beside its jobs.

pub mod clock_check;
pub mod purge;
pub mod queue_depth;
