//! Requests that wait for a result (`Prefer: wait=N`).
//!
//! One listener and one batched query (`watch.rs`) serve all of them: a waiter costs an entry
//! in a map, neither a connection nor a query.
//!
//! There are only so many places, and where there are several clients, one has half of them
//! at most.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quhao_common::domain::{
    answer::{AnswerValidity, StoredAnswer},
    app::ClientName,
    id::JobKey,
};
use time::OffsetDateTime;
use tokio::{
    sync::{
        Notify,
        watch::{Receiver, Sender},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use self::{places::Places, watch::Due};
use crate::http::auth::Authenticated;

pub(crate) use self::watch::watch_store;

mod places;
mod watch;

/// What is known of a job that somebody waits for.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// The store was not asked yet.
    NotYet,
    /// It has no answer.
    Nothing,
    /// It could not be read.
    Unreadable,
    /// It has one.
    Answer(Arc<StoredAnswer>),
}

/// All waiting requests of this process.
#[derive(Debug, Clone)]
pub(crate) struct Waiters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Mutex<Table>,
    arrivals: Notify,
    draining: CancellationToken,
}

#[derive(Debug)]
struct Table {
    by_key: HashMap<JobKey, Sender<Seen>>,
    /// Keys that somebody began to wait for since the last query.
    arrived: Vec<JobKey>,
    places: Places,
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiting request. Dropping it is all it takes to stop waiting.
#[derive(Debug)]
pub(crate) struct Waiter {
    // Dropped before the seat, which counts the receivers that are left.
    seen: Receiver<Seen>,
    /// The deadline of the copy that is waited for; `None` if any answer will do.
    deadline: Option<OffsetDateTime>,
    seat: Seat,
}

#[derive(Debug)]
struct Seat {
    key: JobKey,
    client: ClientName,
    inner: Arc<Inner>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.inner.table();
        table.places.leave(&self.client);
        if table.by_key.get(&self.key).is_some_and(|seen| seen.receiver_count() == 0) {
            table.by_key.remove(&self.key);
        }
    }
}

impl Waiters {
    /// Room for `max` requests, until `draining`.
    pub(crate) fn new(max: usize, draining: CancellationToken) -> Self {
        let table = Table { by_key: HashMap::new(), arrived: Vec::new(), places: Places::new(max) };
        let (table, arrivals) = (Mutex::new(table), Notify::new());
        Self(Arc::new(Inner { table, arrivals, draining }))
    }

    /// Begins to wait, on behalf of `caller`, for an answer to `key` that holds for a copy with
    /// this `deadline`, if it is known. `None`: too many wait already, or too many of this
    /// client, or this process is about to end.
    pub(crate) fn register(
        &self,
        caller: &Authenticated,
        key: JobKey,
        deadline: Option<OffsetDateTime>,
    ) -> Option<Waiter> {
        let others = caller.registry.directory.clients().nth(1).is_some();
        self.seat(&caller.client.name, others, key, deadline)
    }

    fn seat(
        &self,
        client: &ClientName,
        others: bool,
        key: JobKey,
        deadline: Option<OffsetDateTime>,
    ) -> Option<Waiter> {
        let inner = &self.0;
        let mut table = inner.table();
        if inner.draining.is_cancelled() || !table.places.take(client, others) {
            return None;
        }
        table.arrived.push(key);
        let seen = table.by_key.entry(key).or_insert_with(|| Sender::new(Seen::NotYet));
        let seen = seen.subscribe();
        drop(table);
        inner.arrivals.notify_one();
        let seat = Seat { key, client: client.clone(), inner: Arc::clone(inner) };
        Some(Waiter { seen, deadline, seat })
    }

    /// The keys that `due` makes it worth asking for.
    fn keys(&self, due: &Due) -> Vec<JobKey> {
        let mut table = self.0.table();
        let arrived = std::mem::take(&mut table.arrived);
        let mut keys: Vec<JobKey> = match due {
            Due::All => table.by_key.keys().copied().collect(),
            Due::Some(news) => news
                .iter()
                .chain(&arrived)
                .filter(|key| table.by_key.contains_key(key))
                .copied()
                .collect(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Tells those who wait for `asked` what the store said: its answers, or nothing if
    /// it could not be read.
    fn tell(&self, asked: &[JobKey], answers: Option<Vec<StoredAnswer>>, now: OffsetDateTime) {
        let mut table = self.0.table();
        let without = if answers.is_some() { Seen::Nothing } else { Seen::Unreadable };
        let mut answered = HashSet::new();
        for answer in answers.into_iter().flatten().filter(|answer| answer.purge_at > now) {
            let key = answer.key;
            let seen = match answer.validity {
                // Out of the map, so that nobody asks for it again.
                AnswerValidity::Always => table.by_key.remove(&key),
                // There may be those who wait for a later copy's.
                AnswerValidity::Until(_) => table.by_key.get(&key).cloned(),
            };
            if let Some(seen) = seen {
                answered.insert(key);
                seen.send_replace(Seen::Answer(Arc::new(answer)));
            }
        }
        for key in asked.iter().filter(|key| !answered.contains(key)) {
            if let Some(seen) = table.by_key.get(key) {
                seen.send_replace(without.clone());
            }
        }
    }
}

impl Waiter {
    /// Waits for the answer, at most until `until` or until this process begins to end,
    /// and says what is known then.
    pub(crate) async fn wait(mut self, until: Instant) -> Seen {
        let draining = self.seat.inner.draining.clone();
        let holds = |answer: &StoredAnswer| match self.deadline {
            Some(deadline) => answer.validity.covers(deadline),
            None => true,
        };
        tokio::select! {
            // An error: the sender is gone, and with it any change to come.
            _ = self.seen.wait_for(|seen| matches!(seen, Seen::Answer(it) if holds(it))) => {}
            () = tokio::time::sleep_until(until) => {}
            () = draining.cancelled() => {}
        }
        match self.seen.borrow().clone() {
            Seen::Answer(answer) if !holds(&answer) => Seen::Nothing,
            seen => seen,
        }
    }
}

#[cfg(test)]
mod tests;
