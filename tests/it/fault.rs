//! What happens to jobs under a steady load while a part breaks: one file a part. And under a
//! load that is more than all parts can serve together.
//!
//! `tests/run faults` runs the same tests for longer.

mod admission;
mod broker;
mod clock;
mod embedded;
mod history;
mod network;
mod producer;
mod queue;
mod store;
mod upstream;
mod worker;
