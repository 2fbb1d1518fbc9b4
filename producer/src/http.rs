//! How requests are read and answered, whatever they ask for.

pub(crate) mod access_log;
pub(crate) mod auth;
pub(crate) mod body;
pub(crate) mod fields;
pub(crate) mod headers;
pub(crate) mod json_object;
pub(crate) mod problem;
pub(crate) mod problem_code;
pub(crate) mod problem_responses;
pub(crate) mod rate;
