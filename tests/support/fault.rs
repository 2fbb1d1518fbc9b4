//! Fault runs: the product under load while a part of it breaks, and the checks at the end.
//!
//! A test makes a [`Fixture`], starts a [`FaultRun`] on it, breaks something, and finishes
//! the run: that checks the whole history and returns a [`Report`] to assert on.

pub use self::{
    fixture::{Fixture, Processes},
    machine::MachineShare,
    report::{Report, since},
    run::{CONSUMER_RECOVERY_MAX, FaultRun, SUBMIT_RECOVERY_MAX},
};

mod cut_off;
pub mod figures;
mod fixture;
mod machine;
mod report;
mod run;
