//! What becomes of the jobs of steady guests while a part breaks: one file a part.
//!
//! `tests/run faults` runs the same tests for longer.

mod broker;
mod embedded;
mod history;
mod network;
mod outcome;
mod producer;
mod store;
mod trial;
mod upstream;
mod worker;
