//! Consumes deliveries: settles those that need no work, and starts the others.
//!
//! - `consume`: takes deliveries from the queue until the worker drains.
//! - `sort`: opens a batch of them and sorts it, with `outcomes` and `dead_letters`.
//! - `start`: starts the jobs that have no answer yet; `quarantine` starts the suspicious ones.
//! - `pause`: consumes nothing while the store is away or a blocker is there (`blockers`).

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::Queue;
use quhao_common::{domain::job::Job, process::registry::Registry};
use tracing::error;

use self::quarantine::Quarantine;
use crate::{
    context::Context, health::Health, job::run::Starter, settlement::in_flight::InFlight,
    slots::Slots,
};

mod consume;
mod sorted;
mod sort;
mod outcomes;
mod dead_letters;
mod start;
mod pause;
mod blockers;
pub(crate) mod quarantine;

/// The pause between two questions while the store is out of reach.
const STORE_PAUSE: Duration = Duration::from_millis(500);
/// How long a worker leaves to others what it cannot process, before it tries again. With the
/// longest life of a job this makes some ten requeues, of the twenty that a broker allows.
const BLOCKED_RETRY: Duration = Duration::from_secs(30);

/// The consuming side of a worker.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// The queue that hands out deliveries.
    pub(crate) queue: Arc<Queue>,
    /// What starts jobs.
    pub(crate) starter: Starter,
    /// The slots that jobs are started in.
    pub(crate) slots: Arc<Slots>,
    /// The jobs that may crash workers.
    pub(crate) quarantine: Arc<Quarantine>,
    /// What an operator gets to know.
    pub(crate) health: Arc<Health>,
}

impl Consumer {
    fn context(&self) -> &Context {
        &self.starter.context
    }

    fn in_flight(&self) -> &InFlight {
        &self.starter.in_flight
    }

    /// Blocks this worker for `reason`, which keeps it from processing a delivery: it consumes
    /// nothing until the reason is gone.
    fn block(&self, reason: &str) {
        if self.health.block(reason) {
            let seconds = BLOCKED_RETRY.as_secs();
            error!("paused: {reason}; trying again in {seconds} s, or after a reload (SIGHUP)");
        }
    }
}

/// Returns whether somebody is to be notified that the deadline of `job` passed: then it gets an
/// answer like any other, which is made without a call.
fn must_notify(registry: &Registry, job: &Job) -> bool {
    // A job of an app that nobody knows any more is no reason to pause when it is over.
    job.callback_url.is_some() && registry.directory.app_of(&job.client, &job.app).is_some()
}
