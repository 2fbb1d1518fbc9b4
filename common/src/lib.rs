//! The vocabulary of quhao, and what every process of it needs.
//!
//! The modules stand in reading order. [`domain`], [`crypto`] and [`envelope`] are pure: no
//! clock, no randomness but nonces, no I/O.

pub mod crypto;
pub mod domain;
pub mod envelope;
pub mod config;
pub mod api;
pub mod process;
