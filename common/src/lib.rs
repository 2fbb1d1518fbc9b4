//! quhao's vocabulary and its two data seams.
//!
//! The modules stand in reading order. Everything up to [`clock`] is pure: no
//! clock, no randomness but nonces, no I/O. [`queue`] and [`store`] are the seams;
//! the rest is process plumbing.

pub mod keyring;
pub mod signature;
pub mod callback;
pub mod app;
pub mod id;
pub mod session_handle;
pub mod phone;
pub mod job;
pub mod repair;
pub mod failure;
pub mod outcome;
pub mod vault;
pub mod envelope;
pub mod answer;
pub mod clock;

pub mod queue;
pub mod store;
pub mod resume;
pub mod job_object;

pub mod sqlite;
pub mod backend;
pub mod backoff;
pub mod causes;
pub mod registry;
pub mod config;
pub mod http_server;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;
