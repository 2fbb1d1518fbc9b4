//! What a batch of deliveries is sorted into.

use quhao_backend::queue::{DeadLetterReason, Delivery};
use quhao_common::domain::job::Job;

use crate::job::received::ReceivedJob;

/// A sorted batch. What needed no more than a look is settled already.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// The jobs to start, unless they have an answer.
    pub(super) jobs: Vec<ReceivedJob>,
    /// The deliveries that this worker cannot process, but others may.
    pub(super) blocked: Vec<Delivery>,
    /// The dead letters that this worker cannot read, but others may.
    pub(super) unreadable: Vec<Delivery>,
    /// The dead-lettered jobs to record as failed, unless they have an answer.
    pub(super) dead_jobs: Vec<DeadJob>,
}

/// A dead-lettered job.
#[derive(Debug)]
pub(super) struct DeadJob {
    /// The job.
    pub(super) job: Box<Job>,
    /// The reason why it was dead-lettered.
    pub(super) reason: DeadLetterReason,
    /// The delivery to settle.
    pub(super) delivery: Delivery,
}
