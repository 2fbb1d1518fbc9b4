//! The jobs that wait outside their slots, and how many of them there may be.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quhao_common::domain::app::AppId;

use super::capacity::{waiting_max, waiting_max_per_app};
use crate::platform::Call;

/// What a job waits for outside its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// The time to make this call, or to look again for what makes it needless. An app may have
    /// as many jobs wait for one kind of call as for the other.
    Call(Call),
    /// The next try to get a credential that is not to be had now.
    Credential,
    /// A credential that is being fetched. All jobs of the app that wait for it go on together,
    /// and soon, so they may be half of the list.
    CredentialFetch,
}

/// The lists. Each has room for [`waiting_max`] jobs; those for calls share theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum List {
    Call(Call),
    Credential,
}

impl List {
    /// Returns whether jobs in this list and in `other` share their room.
    fn shares_with(self, other: Self) -> bool {
        matches!(self, Self::Credential) == matches!(other, Self::Credential)
    }
}

impl WaitFor {
    fn list(self) -> List {
        match self {
            Self::Call(call) => List::Call(call),
            Self::Credential | Self::CredentialFetch => List::Credential,
        }
    }

    /// Returns how many jobs of one app may be in the list. `room` is what is left of it.
    fn max_per_app(self, concurrency: usize, room: usize) -> usize {
        match self {
            // The more apps crowd the list, the fewer jobs of each: another app finds room.
            Self::Call(_) => waiting_max_per_app(concurrency).min(room),
            Self::Credential => waiting_max_per_app(concurrency),
            Self::CredentialFetch => waiting_max(concurrency).div_ceil(2),
        }
    }
}

/// How many jobs of each app are in each list.
type Counts = HashMap<(List, AppId), usize>;

/// The waiting lists of a worker.
#[derive(Debug)]
pub(super) struct WaitingLists {
    concurrency: usize,
    counts: Mutex<Counts>,
}

impl WaitingLists {
    /// Creates the empty lists of a worker with `concurrency` slots.
    pub(super) fn new(concurrency: usize) -> Arc<Self> {
        Arc::new(Self { concurrency, counts: Mutex::default() })
    }

    /// Enters a job of `app` in the list of those that wait for the same. Returns `None` if
    /// there is no room for it.
    pub(super) fn enter(self: &Arc<Self>, wait_for: WaitFor, app: &AppId) -> Option<Entry> {
        let list = wait_for.list();
        let mut counts = self.counts();
        let mut all = 0;
        for ((other, _), count) in counts.iter() {
            if list.shares_with(*other) {
                all += count;
            }
        }
        let room = waiting_max(self.concurrency).saturating_sub(all);
        let key = (list, app.clone());
        let of_app = counts.get(&key).copied().unwrap_or(0);
        if room == 0 || of_app >= wait_for.max_per_app(self.concurrency, room) {
            return None;
        }
        counts.insert(key.clone(), of_app + 1);
        Some(Entry { lists: Arc::clone(self), key })
    }

    /// Returns how many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.counts().values().sum()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job's entry in a list. Dropping it leaves the list, also when the waiting job is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    lists: Arc<WaitingLists>,
    key: (List, AppId),
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut counts = self.lists.counts();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
