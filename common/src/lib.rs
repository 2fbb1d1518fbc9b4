//! quhao's vocabulary and its two data seams.
//!
//! The modules stand in reading order. Everything up to [`vault`] is pure: no
//! clock, no randomness but nonces, no I/O. [`queue`] and [`store`] are the seams;
//! the rest is process plumbing.

pub mod answer;
pub mod app;
pub mod envelope;
pub mod failure;
pub mod id;
pub mod job;
pub mod keyring;
pub mod outcome;
pub mod phone;
pub mod repair;
pub mod vault;

pub mod queue;
pub mod store;

pub mod backend;
pub mod config;
pub mod metrics;
pub mod shutdown;
pub mod sqlite;
pub mod telemetry;
