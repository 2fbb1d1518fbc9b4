//! What happened to every job of a test, and whether it was allowed to.
//!
//! A [`History`] records; [`breaches`](rules::breaches) judges, and is pure. A job is known
//! by its login code, which no other job of a test has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use quhao_simulator::{Answer, Call};

pub mod rules;

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When; for a call of the platform, when it arrived there.
    pub at: SystemTime,
    /// The job.
    pub code: String,
    /// What.
    pub what: What,
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody submitted it.
    Submitted {
        /// What the producer said.
        reply: Reply,
        /// Until when a result may come: after this the platform must not be called.
        until: SystemTime,
        /// How long the producer took to say it.
        took: Duration,
    },
    /// Somebody asked for its result.
    Read(Seen),
    /// A worker called the platform with its code.
    Called {
        /// Whether the session was given.
        given: bool,
    },
}

/// What a producer says to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It is this job.
    Accepted {
        /// The job's id.
        id: String,
    },
    /// It is no job.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// It may be a job: `unconfirmed`, or no answer at all.
    Unconfirmed,
}

/// What a result looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Not there yet.
    Queued,
    /// A failure, by its code.
    Failed(String),
    /// A phone number.
    Succeeded {
        /// Whether it is the one of the guest whose code it was.
        own: bool,
    },
    /// Erased.
    Erased,
}

/// What is known at the end of a test, beside the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// Calls of the platform that workers have counted as repeated, by any cause.
    pub repeats_counted: u64,
    /// When the queue was empty and no worker held anything, if that was seen. What is read
    /// afterwards is final.
    pub drained_at: Option<SystemTime>,
}

/// A submit that was answered otherwise than by a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When it was answered.
    pub at: SystemTime,
    /// What the producer said.
    pub reply: Reply,
    /// How long it took to say it.
    pub took: Duration,
}

/// Records from any number of tasks.
#[derive(Debug, Default)]
pub struct History(Mutex<Vec<Event>>);

impl History {
    /// Records what happens now.
    pub fn now(&self, code: &str, what: What) {
        let event = Event { at: SystemTime::now(), code: code.to_owned(), what };
        self.events_mut().push(event);
    }

    /// Adds the calls that the platform has seen.
    pub fn add_calls(&self, calls: Vec<Call>) {
        let events = calls.into_iter().map(|call| {
            let what = What::Called { given: call.answer == Answer::Session };
            Event { at: call.at, code: call.code, what }
        });
        self.events_mut().extend(events);
    }

    /// Everything so far, in order of time.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.events_mut().clone();
        events.sort_by_key(|event| event.at);
        events
    }

    /// How many jobs were accepted.
    pub fn accepted(&self) -> usize {
        let events = self.events_mut();
        let accepted = events.iter().filter(|event| {
            matches!(&event.what, What::Submitted { reply: Reply::Accepted { .. }, .. })
        });
        accepted.map(|event| &event.code).collect::<BTreeSet<_>>().len()
    }

    /// Submits that were answered otherwise than by a job, in order of time.
    pub fn troubles(&self) -> Vec<Trouble> {
        let troubles = self.events().into_iter().filter_map(|event| match event.what {
            What::Submitted { reply: Reply::Accepted { .. }, .. } => None,
            What::Submitted { reply, took, .. } => Some(Trouble { at: event.at, reply, took }),
            _ => None,
        });
        troubles.collect()
    }

    /// The codes of the failures that jobs have ended with, each job's last.
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

    /// How long jobs took from their acceptance to the sight of their end, shortest first.
    pub fn waits(&self) -> Vec<Duration> {
        let mut accepted = BTreeMap::new();
        let mut ended = BTreeSet::new();
        let mut waits = Vec::new();
        for event in self.events() {
            match event.what {
                What::Submitted { reply: Reply::Accepted { .. }, .. } => {
                    accepted.entry(event.code).or_insert(event.at);
                }
                What::Read(Seen::Failed(_) | Seen::Succeeded { .. }) => {
                    let since = accepted.get(&event.code).copied();
                    if ended.insert(event.code)
                        && let Some(since) = since
                    {
                        waits.push(event.at.duration_since(since).unwrap_or_default());
                    }
                }
                _ => {}
            }
        }
        waits.sort();
        waits
    }

    fn events_mut(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
