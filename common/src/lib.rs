//! The vocabulary of quhao, and what every process of it needs.
//!
//! The modules stand in reading order, and each uses only those above it. [`domain`],
//! [`crypto`] and [`envelope`] are pure: no clock, no I/O, no state that outlives a call, no
//! randomness but nonces.

mod closed_set;
pub mod crypto;
pub mod domain;
pub mod envelope;
pub mod config;
pub mod api;
pub mod process;
