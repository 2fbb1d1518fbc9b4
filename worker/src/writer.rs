//! Commits outcomes in batches, then settles their deliveries.
//!
//! While one commit is under way the next batch collects, so batches grow with the load
//! and nothing waits when there is none. An outcome is kept until it is committed, however
//! long the store is away: its slot stays taken, so the worker stops taking by itself. A
//! worker that must end meanwhile hands its outcomes over.

use std::{sync::Arc, time::Duration};

use quhao_backend::queue::Queue;
use tokio::sync::Notify;

use crate::{context::Context, drain::Drain, health::Health, settlement::in_flight::InFlight};

mod write;
mod outcome;
mod commit;
pub(crate) mod batch_size;
mod hand_over;

pub(crate) use self::outcome::{OutcomeSource, PendingOutcome, Unsettled};

/// The one writer of a worker.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The store, and what else jobs share.
    pub(crate) context: Arc<Context>,
    /// The queue for what cannot be committed.
    pub(crate) queue: Arc<Queue>,
    /// The jobs whose duplicates are settled with them.
    pub(crate) in_flight: Arc<InFlight>,
    /// What gets to know how the store is.
    pub(crate) health: Arc<Health>,
    /// Notified when callbacks are due.
    pub(crate) callbacks_due: Arc<Notify>,
    /// The time to stop trying.
    pub(crate) drain: Arc<Drain>,
    /// Outcomes in one commit, at most.
    pub(crate) batch_max: usize,
    /// The time after which a commit that failed may have been too large.
    pub(crate) slow: Duration,
}
