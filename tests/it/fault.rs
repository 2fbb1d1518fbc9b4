//! What becomes of the jobs of steady guests while a part breaks: one file a part. And what
//! of those who come in a rush that is too much for all parts together.
//!
//! `tests/run faults` runs the same tests for longer.

mod admission;
mod broker;
mod clock;
mod embedded;
mod ground;
mod history;
mod moves;
mod network;
mod outcome;
mod producer;
mod queue;
mod store;
mod trial;
mod upstream;
mod worker;
