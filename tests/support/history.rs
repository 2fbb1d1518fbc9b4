//! What happened to every job of a test, and whether it was allowed to.
//!
//! A [`History`] records; [`breaches`](rules::breaches) judges, and is pure. A job is known
//! by its login code, which no other job of a test has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use quhao_simulator::{Call, CallEnd};
use serde_json::Value;

use self::word::Word;

pub mod rules;
pub mod word;

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
        /// Whether a callback was asked for.
        callback: bool,
    },
    /// Somebody asked for its result.
    Read(Seen),
    /// A worker called the platform with its code.
    Called {
        /// Whether the session was given.
        given: bool,
    },
    /// A callback told its end.
    FinishedJobs(Word),
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

impl Seen {
    /// What `job`, as clients see it, says, whose guest has this number; `None` if that is
    /// no status of a job.
    pub fn of(job: &Value, phone: &str) -> Option<Self> {
        let text_at = |pointer| job.pointer(pointer).and_then(Value::as_str);
        match text_at("/status")? {
            "queued" => Some(Self::Queued),
            "failed" => Some(Self::Failed(text_at("/error/code").unwrap_or_default().to_owned())),
            "succeeded" => {
                let own = text_at("/result/phone/pure_phone_number") == Some(phone);
                Some(Self::Succeeded { own })
            }
            _ => None,
        }
    }
}

/// What is known at the end of a test, beside the events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// Calls of the platform that workers have counted as repeated, by any cause.
    pub repeats_counted: u64,
    /// When the queue was empty and no worker held anything, if that was seen. What is read
    /// afterwards is final.
    pub drained_at: Option<SystemTime>,
    /// When somebody deleted the queue, if that was done. Of a job that waited in it nothing
    /// is left that a callback could be made of.
    pub queue_deleted_at: Option<SystemTime>,
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

    /// Records a callback that came at `at`.
    pub fn told(&self, at: SystemTime, code: &str, word: Word) {
        self.events_mut().push(Event { at, code: code.to_owned(), what: What::FinishedJobs(word) });
    }

    /// Adds the calls that the platform has seen.
    pub fn add_calls(&self, calls: Vec<Call>) {
        let events = calls.into_iter().map(|call| {
            let what = What::Called { given: call.end == CallEnd::Session };
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

    /// How long after `moment` a job was accepted again, if one was.
    pub fn accepted_after(&self, moment: SystemTime) -> Option<Duration> {
        let accepted = self.events().into_iter().filter(|event| {
            matches!(event.what, What::Submitted { reply: Reply::Accepted { .. }, .. })
        });
        accepted.filter_map(|event| event.at.duration_since(moment).ok()).min()
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

    /// How many callbacks have come.
    pub fn words(&self) -> usize {
        self.events_mut().iter().filter(|event| matches!(event.what, What::FinishedJobs(_))).count()
    }

    /// How many jobs failed whose session the platform had given: it got lost on its way to
    /// the store.
    pub fn given_in_vain(&self) -> usize {
        let events = self.events();
        let failed = events.iter().filter_map(|event| match &event.what {
            What::Read(seen) => Some((&event.code, matches!(seen, Seen::Failed(_)))),
            _ => None,
        });
        // Each job's last look counts.
        let failed: BTreeMap<_, _> = failed.collect();
        let given = events.iter().filter(|event| event.what == What::Called { given: true });
        given.filter(|event| failed.get(&event.code) == Some(&true)).count()
    }

    /// When a failure was seen last.
    pub fn failed_until(&self) -> Option<SystemTime> {
        let mut last = BTreeMap::new();
        for event in self.events() {
            if let What::Read(Seen::Failed(_)) = event.what {
                // Those who look again see nothing new.
                last.entry(event.code).or_insert(event.at);
            }
        }
        last.into_values().max()
    }

    /// How long jobs took from their acceptance to the sight of their end, shortest first.
    pub fn waits(&self) -> Vec<Duration> {
        self.between(
            |what| matches!(what, What::Submitted { reply: Reply::Accepted { .. }, .. }),
            |what| matches!(what, What::Read(Seen::Failed(_) | Seen::Succeeded { .. })),
        )
    }

    /// How long the first word of jobs took from the sight of their end, shortest first;
    /// nothing where it was there earlier.
    pub fn word_waits(&self) -> Vec<Duration> {
        self.between(
            |what| matches!(what, What::Read(Seen::Failed(_) | Seen::Succeeded { .. })),
            |what| matches!(what, What::FinishedJobs(_)),
        )
    }

    /// From the first event that is such a beginning to the first that is such an end, for
    /// each job that has both.
    fn between(
        &self,
        begins: impl Fn(&What) -> bool,
        ends: impl Fn(&What) -> bool,
    ) -> Vec<Duration> {
        let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
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
