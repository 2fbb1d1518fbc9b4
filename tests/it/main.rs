//! Every test that spans more than one crate. `tests/run` runs them.
//!
//! - `contract`: every member of a seam keeps the seam's promises.
//! - `property`: what holds for every input of the pure parts.
//! - `journey`: what a client of the product sees.
//! - `fault`: what becomes of jobs while a part breaks.

#![expect(clippy::unwrap_used, reason = "a test that meets a surprise ends there")]

mod contract;
mod fault;
mod journey;
mod property;
