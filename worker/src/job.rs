//! What is done for one job, from its slot to its outcome.

pub mod run;
pub mod pipeline;
pub mod call;
pub mod exchange;
pub mod redeem;
pub mod retry;
pub mod duplicate;
pub mod session_key;
pub mod outcome_row;
