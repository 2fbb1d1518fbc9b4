//! A job that this worker received from the queue.

use std::sync::Arc;

use quhao_backend::queue::Delivery;
use quhao_common::{
    domain::{
        app::App,
        job::{Job, Work},
    },
    process::registry::Registry,
};
use time::OffsetDateTime;

use crate::platform::{Call, Platform};

/// A job that this worker received, with what it needs to run.
#[derive(Debug)]
pub(crate) struct ReceivedJob {
    /// The job.
    pub(crate) job: Job,
    /// The clients, apps and secrets as they were when the job was received.
    pub(crate) registry: Arc<Registry>,
    /// The job's app.
    pub(crate) app: Arc<App>,
    /// The app's platform.
    pub(crate) platform: Arc<dyn Platform>,
    /// The time at which the job was received.
    pub(crate) received_at: OffsetDateTime,
    /// The delivery that brought the job.
    pub(crate) delivery: Delivery,
}

impl ReceivedJob {
    /// Returns the call that the job makes, or that a stored session saves it.
    pub(crate) fn call(&self) -> Call {
        match self.job.work {
            Work::PhoneCode { .. } => Call::Redeem,
            Work::Login { .. } | Work::LoginAndDecrypt { .. } | Work::StoredSession { .. } => {
                Call::Exchange
            }
        }
    }
}
