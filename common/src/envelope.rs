//! The bytes that travel on the queue: jobs, batches of jobs, and outcomes.

mod base64_text;
pub mod batch;
pub mod error;
pub mod job;
pub mod outcome;
mod text;
pub mod unix_ms;
