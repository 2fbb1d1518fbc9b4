//! The store's promises, one file for each noun of the seam.

mod answers;
mod app_erasure;
mod callbacks;
mod claims;
mod duplicates;
mod erasure_race;
mod job_erasure;
mod migration;
mod notifications;
pub(super) mod outcome;
mod person_erasure;
mod purge;
mod retention;
mod session;
mod session_handle;
