//! What quhao is about: apps, jobs, their outcomes, and what clients are told.

pub mod app;
pub mod callback_target;
pub mod id;
pub mod session_handle;
pub mod phone;
pub mod job;
pub mod failure;
pub mod outcome;
pub mod answer;
pub mod finished;
pub mod callback_status;
