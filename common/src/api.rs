//! The JSON that clients read.

pub mod callback;
pub mod event;
pub mod job;
pub mod result;
pub mod schema;
