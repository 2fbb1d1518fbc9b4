//! What is done for one job, from its slot to its outcome.

pub(crate) mod run;
pub(crate) mod received;
pub(crate) mod stop;
mod pipeline;
mod call;
pub(crate) mod retry;
mod duplicate;
mod stored_session;
pub(crate) mod session_key;
pub(crate) mod outcome_row;
