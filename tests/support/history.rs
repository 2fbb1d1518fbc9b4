//! What happened to every job of a test, and whether it was allowed.
//!
//! A [`History`] records; [`breaches`](rules::breaches) judges, and is pure. A job is known
//! by its login code, which no other job of a test has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use quhao_simulator::{Call, CallEnd};

pub use self::event::{End, Event, Rejection, Reply, Seen, WebhookEvent, What};

mod event;
pub mod rules;

/// A recorder for any number of tasks.
#[derive(Debug, Default)]
pub struct History(Mutex<Vec<Event>>);

impl History {
    /// Records an event that happens now.
    pub fn now(&self, code: &str, what: What) {
        let event = Event { at: SystemTime::now(), code: code.to_owned(), what };
        self.events_mut().push(event);
    }

    /// Records a webhook event that was received at `at`.
    pub fn notified(&self, at: SystemTime, code: &str, event: WebhookEvent) {
        self.events_mut().push(Event { at, code: code.to_owned(), what: What::Notified(event) });
    }

    /// Adds the calls that the platform has received.
    pub fn add_calls(&self, calls: Vec<Call>) {
        let events = calls.into_iter().map(|call| {
            let what = What::Called { given: call.end == CallEnd::Session };
            Event { at: call.at, code: call.code, what }
        });
        self.events_mut().extend(events);
    }

    /// Returns all events so far, in order of time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events_mut().clone();
        events.sort_by_key(|event| event.at);
        events
    }

    /// Returns how many jobs were accepted.
    pub fn accepted(&self) -> usize {
        let events = self.events_mut();
        let accepted = events.iter().filter(|event| {
            matches!(&event.what, What::Submitted { reply: Reply::Accepted { .. }, .. })
        });
        accepted.map(|event| &event.code).collect::<BTreeSet<_>>().len()
    }

    /// Returns the submissions that were not answered by a job, in order of time.
    pub fn rejections(&self) -> Vec<Rejection> {
        let rejections = self.events().into_iter().filter_map(|event| match event.what {
            What::Submitted { reply: Reply::Accepted { .. }, .. } => None,
            What::Submitted { reply, took, .. } => Some(Rejection { at: event.at, reply, took }),
            _ => None,
        });
        rejections.collect()
    }

    /// Returns how long after `since` a job was accepted again, if one was.
    pub fn accepted_after(&self, since: SystemTime) -> Option<Duration> {
        let accepted = self.events().into_iter().filter(|event| {
            matches!(event.what, What::Submitted { reply: Reply::Accepted { .. }, .. })
        });
        accepted.filter_map(|event| event.at.duration_since(since).ok()).min()
    }

    /// Returns the codes of the failures that jobs have ended with, each job's last.
    pub fn failures(&self) -> Vec<String> {
        let mut last = BTreeMap::new();
        for event in self.events() {
            if let What::Read(seen) = event.what {
                last.insert(event.code, seen);
            }
        }
        let failed = last.into_values().filter_map(|seen| match seen {
            Seen::Failed(code) => Some(code),
            _ => None,
        });
        failed.collect()
    }

    /// Returns how many callbacks were received.
    pub fn callbacks(&self) -> usize {
        self.events_mut().iter().filter(|event| matches!(event.what, What::Notified(_))).count()
    }

    /// Returns how many jobs failed although the platform had given their session: it was lost
    /// on its way to the store.
    pub fn wasted_sessions(&self) -> usize {
        let events = self.events();
        let failed = events.iter().filter_map(|event| match &event.what {
            What::Read(seen) => Some((&event.code, matches!(seen, Seen::Failed(_)))),
            _ => None,
        });
        // Each job's last result counts.
        let failed: BTreeMap<_, _> = failed.collect();
        let given = events.iter().filter(|event| event.what == What::Called { given: true });
        given.filter(|event| failed.get(&event.code) == Some(&true)).count()
    }

    /// Returns when a failure was read last.
    pub fn failed_until(&self) -> Option<SystemTime> {
        let mut last = BTreeMap::new();
        for event in self.events() {
            if let What::Read(Seen::Failed(_)) = event.what {
                // Reading it again says nothing new.
                last.entry(event.code).or_insert(event.at);
            }
        }
        last.into_values().max()
    }

    /// Returns how long jobs took from their acceptance to the first read of their result,
    /// shortest first.
    pub fn waits(&self) -> Vec<Duration> {
        self.between(
            |what| matches!(what, What::Submitted { reply: Reply::Accepted { .. }, .. }),
            |what| matches!(what, What::Read(Seen::Failed(_) | Seen::Succeeded { .. })),
        )
    }

    /// Returns how long the first callbacks of jobs took from the first read of their result,
    /// shortest first; zero where the callback was earlier.
    pub fn callback_waits(&self) -> Vec<Duration> {
        self.between(
            |what| matches!(what, What::Read(Seen::Failed(_) | Seen::Succeeded { .. })),
            |what| matches!(what, What::Notified(_)),
        )
    }

    /// Returns the times from the first event that `begins` to the first that `ends`, one for
    /// each job that has both.
    fn between(
        &self,
        begins: impl Fn(&What) -> bool,
        ends: impl Fn(&What) -> bool,
    ) -> Vec<Duration> {
        let mut first = BTreeMap::new();
        let mut last = BTreeMap::new();
        for event in self.events() {
            if begins(&event.what) {
                first.entry(event.code.clone()).or_insert(event.at);
            }
            if ends(&event.what) {
                last.entry(event.code).or_insert(event.at);
            }
        }
        let both = last.into_iter().filter_map(|(code, end)| Some((*first.get(&code)?, end)));
        let mut times: Vec<Duration> =
            both.map(|(begin, end)| end.duration_since(begin).unwrap_or_default()).collect();
        times.sort();
        times
    }

    fn events_mut(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
