//! The jobs that a worker is running: each once, however many deliveries of it the queue hands
//! out. A duplicate that arrives meanwhile waits for what becomes of its job.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quhao_backend::queue::Delivery;
use quhao_common::domain::id::JobKey;
use time::OffsetDateTime;

/// The jobs that this worker is running, each with the duplicates that wait for it.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<JobKey, Job>>);

#[derive(Debug)]
struct Job {
    expires_at: OffsetDateTime,
    duplicates: Vec<Delivery>,
}

/// What becomes of a delivery that arrives.
#[derive(Debug)]
pub(super) enum Entered {
    /// Its job was not running: it is the one to run.
    First(Delivery),
    /// It waits for what becomes of its job.
    Follows,
    /// Its job is running, and it adds nothing to that.
    AddsNothing(Delivery),
}

impl InFlight {
    /// Enters a delivery that arrived.
    ///
    /// A duplicate with a later deadline may have to be run after all, and one that was
    /// delivered before may be the very delivery that is running. All others add nothing.
    pub(super) fn enter(
        &self,
        key: JobKey,
        expires_at: OffsetDateTime,
        delivery: Delivery,
    ) -> Entered {
        let mut jobs = self.jobs();
        let Some(job) = jobs.get_mut(&key) else {
            jobs.insert(key, Job { expires_at, duplicates: Vec::new() });
            return Entered::First(delivery);
        };
        if delivery.redelivered || expires_at > job.expires_at {
            job.duplicates.push(delivery);
            Entered::Follows
        } else {
            Entered::AddsNothing(delivery)
        }
    }

    /// Makes a dead letter wait for what becomes of its job: a notification of its failure would
    /// go out at once, and the job may succeed. Returns it if its job is not running.
    pub fn follow(&self, key: JobKey, delivery: Delivery) -> Option<Delivery> {
        match self.jobs().get_mut(&key) {
            Some(job) => job.duplicates.push(delivery),
            None => return Some(delivery),
        }
        None
    }

    /// Returns whether duplicates wait for what becomes of the job.
    pub(crate) fn is_followed(&self, key: JobKey) -> bool {
        self.jobs().get(&key).is_some_and(|job| !job.duplicates.is_empty())
    }

    /// Ends a job. Returns the duplicates that waited for it.
    pub(super) fn end(&self, key: JobKey) -> Vec<Delivery> {
        self.jobs().remove(&key).map(|job| job.duplicates).unwrap_or_default()
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobKey, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
