//! What travels on the queue: jobs, batches of jobs, and outcomes.

pub(crate) mod base64_text;
pub mod batch;
pub mod job;
pub mod outcome;
mod text;
pub mod unix_ms;
