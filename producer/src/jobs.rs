//! `/v1/jobs` and `/v1/jobs/{id}`.

mod answer;
pub(crate) mod erase;
mod job_url;
mod missing_row;
pub(crate) mod poll;
pub(crate) mod submit;
