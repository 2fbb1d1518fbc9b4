//! The JSON that clients read, in the API's answers and in webhooks.

pub mod callback;
pub mod event;
pub mod job;
pub mod result;
pub mod schema;
pub mod timestamp;
