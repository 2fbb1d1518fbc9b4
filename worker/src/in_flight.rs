//! One worker works on a job once, however many copies of it the queue holds: a copy that
//! arrives while the first is being worked on shares its fate.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use quhao_common::{
    id::JobKey,
    queue::{Delivery, Verdict},
};

/// The jobs that this worker is working on, each with the copies that follow it.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<JobKey, Vec<Delivery>>>);

impl InFlight {
    /// Makes `delivery` the one to work on, and gives it back, unless its job is being
    /// worked on already.
    pub fn enter(&self, key: JobKey, delivery: Delivery) -> Option<Delivery> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(followers) = jobs.get_mut(&key) {
            followers.push(delivery);
            return None;
        }
        jobs.insert(key, Vec::new());
        Some(delivery)
    }

    /// Ends the job: its delivery and all that followed it are settled alike.
    pub fn settle(&self, key: JobKey, delivery: Delivery, verdict: Verdict) {
        let followers =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key).unwrap_or_default();
        for delivery in std::iter::once(delivery).chain(followers) {
            delivery.settle(verdict);
        }
    }
}
