//! The queue's promises.

mod batches;
mod close;
pub(super) mod deliveries;
mod lanes;
