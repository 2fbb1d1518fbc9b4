//! One finished job of the demo, as its client measured it.

use std::time::Duration;

/// How one job went, seen from the client.
#[derive(Debug)]
pub(super) struct FinishedJob {
    /// The job's id, if the submission was accepted.
    pub(super) id: Option<String>,
    /// The phone number, or why there is none.
    pub(super) end: Result<String, String>,
    /// From sending the submission to the answer that it is stored.
    pub(super) accepted: Duration,
    /// From the job's `created_at` to its `finished_at`.
    pub(super) worked: Option<Duration>,
    /// From sending the submission to the result in the client's hands.
    pub(super) total: Duration,
    /// Calls to the platform for this job.
    pub(super) calls: u32,
}
