//! Every test that spans more than one crate. `tests/run` runs them.
//!
//! - `golden`: what earlier builds wrote is read, and written as it was.
//! - `contract`: every member of a seam keeps the seam's promises.
//! - `api`, `callbacks`, `upstream`, `operations`, `recovery`: the whole product, by feature.
//! - `fault`: what becomes of jobs while a part breaks, judged by the history of all of them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod api;
mod callbacks;
mod contract;
mod fault;
mod golden;
mod operations;
mod recovery;
mod upstream;
