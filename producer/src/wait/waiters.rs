//! The requests that wait, by job.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quhao_common::{
    domain::{
        answer::{AnswerValidity, StoredAnswer},
        client::ClientName,
        id::JobKey,
    },
    process::{metrics, per_client_share::PerClientShare},
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

#[cfg(test)]
mod tests;

/// One client has at most this part of the room: a half.
const CLIENT_PARTS: usize = 2;

/// The last look-up of a job that a request waits for.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    /// The store was not asked yet.
    NotAsked,
    /// The job has no answer.
    NoAnswer,
    /// The store could not be read.
    Unreadable,
    /// The job has an answer.
    Answer(Arc<StoredAnswer>),
}

/// The jobs that waiters need looked up.
#[derive(Debug)]
pub(super) enum Due {
    /// Every job that a request waits for.
    All,
    /// These, and the jobs of requests that have just begun to wait.
    Keys(Vec<JobKey>),
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
    by_key: HashMap<JobKey, Sender<Lookup>>,
    /// Keys of the requests that began to wait since the last query.
    arrived: Vec<JobKey>,
    share: PerClientShare,
}

impl Inner {
    /// Locks the table.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiting request. Dropping it ends the waiting.
#[derive(Debug)]
pub(crate) struct Waiter {
    // Dropped before the registration, which counts the receivers that are left.
    lookup: Receiver<Lookup>,
    /// The deadline of the copy that is waited for; `None` if any answer will do.
    deadline: Option<OffsetDateTime>,
    registration: Registration,
}

/// A waiter's entry in the table.
#[derive(Debug)]
struct Registration {
    key: JobKey,
    client: ClientName,
    inner: Arc<Inner>,
}

impl Drop for Registration {
    /// Makes room for another waiter, and removes the key if no other waits for it.
    fn drop(&mut self) {
        let mut table = self.inner.table();
        table.share.put_back(&self.client);
        metrics::waiters(table.share.in_use());
        if table.by_key.get(&self.key).is_some_and(|lookup| lookup.receiver_count() == 0) {
            table.by_key.remove(&self.key);
        }
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitFor<'a> {
    pub(crate) client: &'a ClientName,
    /// Whether no other client is configured, so that `client` may use all of the room.
    pub(crate) is_only_client: bool,
    pub(crate) key: JobKey,
    /// The deadline of the client's copy of the job, which the answer has to be valid for;
    /// `None` if any answer will do.
    pub(crate) deadline: Option<OffsetDateTime>,
}

impl Waiters {
    /// Creates room for `max` waiting requests, until `draining` is cancelled.
    pub(crate) fn new(max: usize, draining: CancellationToken) -> Self {
        let table = Table {
            by_key: HashMap::new(),
            arrived: Vec::new(),
            share: PerClientShare::new(max, CLIENT_PARTS),
        };
        Self(Arc::new(Inner { table: Mutex::new(table), arrivals: Notify::new(), draining }))
    }

    /// Begins to wait. `None` if too many requests wait already, all in all or of this
    /// client, or if this process is about to end.
    pub(crate) fn register(&self, wanted: WaitFor<'_>) -> Option<Waiter> {
        let WaitFor { client, is_only_client, key, deadline } = wanted;
        let inner = &self.0;
        let mut table = inner.table();
        let share = &mut table.share;
        let client_max = if is_only_client { share.capacity() } else { share.client_max() };
        let has_room = share.in_use() < share.capacity() && share.in_use_by(client) < client_max;
        if inner.draining.is_cancelled() || !has_room {
            return None;
        }
        share.take(client);
        metrics::waiters(share.in_use());
        table.arrived.push(key);
        let lookup = table.by_key.entry(key).or_insert_with(|| Sender::new(Lookup::NotAsked));
        let lookup = lookup.subscribe();
        drop(table);
        inner.arrivals.notify_one();
        let registration = Registration { key, client: client.clone(), inner: Arc::clone(inner) };
        Some(Waiter { lookup, deadline, registration })
    }

    /// Waits until a request begins to wait.
    pub(super) async fn arrival(&self) {
        self.0.arrivals.notified().await;
    }

    /// Returns the keys to look up: those of `due` that a request waits for.
    pub(super) fn keys(&self, due: &Due) -> Vec<JobKey> {
        let mut table = self.0.table();
        let arrived = std::mem::take(&mut table.arrived);
        let mut keys: Vec<JobKey> = match due {
            Due::All => table.by_key.keys().copied().collect(),
            Due::Keys(keys) => keys
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

    /// Passes the result of a query on to the waiters of its keys: the store's answers,
    /// or nothing if it could not be read. Answers that may be purged at `now` are none.
    pub(super) fn notify(
        &self,
        queried: &[JobKey],
        answers: Option<Vec<StoredAnswer>>,
        now: OffsetDateTime,
    ) {
        let mut table = self.0.table();
        let unanswered = if answers.is_some() { Lookup::NoAnswer } else { Lookup::Unreadable };
        let mut answered = HashSet::new();
        for answer in answers.into_iter().flatten().filter(|answer| answer.purge_at > now) {
            let key = answer.key;
            let lookup = match answer.validity {
                // Out of the map, so that the key is not looked up again.
                AnswerValidity::Always => table.by_key.remove(&key),
                // Others may wait for the answer to a later copy.
                AnswerValidity::Until(_) => table.by_key.get(&key).cloned(),
            };
            if let Some(lookup) = lookup {
                answered.insert(key);
                lookup.send_replace(Lookup::Answer(Arc::new(answer)));
            }
        }
        for key in queried.iter().filter(|key| !answered.contains(key)) {
            if let Some(lookup) = table.by_key.get(key) {
                lookup.send_replace(unanswered.clone());
            }
        }
    }
}

impl Waiter {
    /// Waits for the answer, at most until `until` or until this process begins to end, and
    /// returns the last look-up.
    pub(crate) async fn wait(mut self, until: Instant) -> Lookup {
        let draining = self.registration.inner.draining.clone();
        let is_valid = |answer: &StoredAnswer| {
            self.deadline.is_none_or(|deadline| answer.validity.covers(deadline))
        };
        let is_answer =
            |lookup: &Lookup| matches!(lookup, Lookup::Answer(answer) if is_valid(answer));
        tokio::select! {
            // An error: the sender is gone, so nothing will change any more.
            _ = self.lookup.wait_for(is_answer) => {}
            () = tokio::time::sleep_until(until) => {}
            () = draining.cancelled() => {}
        }
        match self.lookup.borrow().clone() {
            Lookup::Answer(answer) if !is_valid(&answer) => Lookup::NoAnswer,
            lookup => lookup,
        }
    }
}
