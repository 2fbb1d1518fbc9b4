//! One worker works on a job once, however many copies of it the queue holds: a copy that
//! arrives while the first is being worked on shares its fate.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use quhao_backend::queue::{Delivery, Disposition};
use quhao_common::domain::id::JobKey;
use time::OffsetDateTime;

use crate::settlement::dead_letter;

/// The jobs that this worker is working on, each with the copies that follow it.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<JobKey, Job>>);

#[derive(Debug)]
struct Job {
    expires_at: OffsetDateTime,
    followers: Vec<Delivery>,
}

impl InFlight {
    /// Makes `delivery` the one to work on, and gives it back, unless its job is being
    /// worked on already.
    ///
    /// A copy that adds nothing is settled at once, so that copies cannot fill what this
    /// worker may hold: the one being worked on is still unsettled. Not so one that lives
    /// longer, nor one that was delivered before, which may be that very one.
    pub fn enter(
        &self,
        key: JobKey,
        expires_at: OffsetDateTime,
        delivery: Delivery,
    ) -> Option<Delivery> {
        let mut jobs = self.jobs();
        if let Some(job) = jobs.get_mut(&key) {
            if delivery.redelivered || expires_at > job.expires_at {
                job.followers.push(delivery);
            } else {
                delivery.settle(Disposition::Ack);
            }
            return None;
        }
        jobs.insert(key, Job { expires_at, followers: Vec::new() });
        Some(delivery)
    }

    /// Has a copy that was set aside wait for what becomes of its job, and gives it back if
    /// its job is not being worked on: word of a failure would go out at once, and the job may
    /// succeed.
    pub fn follow(&self, key: JobKey, delivery: Delivery) -> Option<Delivery> {
        match self.jobs().get_mut(&key) {
            Some(job) => job.followers.push(delivery),
            None => return Some(delivery),
        }
        None
    }

    /// Whether copies wait for what becomes of the job.
    pub fn is_followed(&self, key: JobKey) -> bool {
        self.jobs().get(&key).is_some_and(|job| !job.followers.is_empty())
    }

    /// Ends the job: its delivery and all that followed it are settled alike.
    pub fn settle(&self, key: JobKey, delivery: Delivery, disposition: Disposition) {
        let followers = self.leave(key);
        delivery.settle(disposition);
        for follower in followers {
            dead_letter::settle_copy(follower, disposition);
        }
    }

    /// Ends this copy only: those that followed it come again, and are judged by
    /// deadlines of their own.
    pub fn settle_alone(&self, key: JobKey, delivery: Delivery, disposition: Disposition) {
        let followers = self.leave(key);
        delivery.settle(disposition);
        for follower in followers {
            follower.settle(Disposition::Requeue);
        }
    }

    fn leave(&self, key: JobKey) -> Vec<Delivery> {
        self.jobs().remove(&key).map(|job| job.followers).unwrap_or_default()
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobKey, Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
