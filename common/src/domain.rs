//! What quhao is about: clients and their apps, jobs, outcomes, and what clients are told.

pub mod name;
pub mod callback_target;
pub mod client;
pub mod app;
pub mod directory;
pub mod id;
pub mod session_handle;
pub mod phone;
pub mod job;
pub mod failure;
pub mod outcome;
pub mod answer;
pub mod finished;
pub mod callback_status;
