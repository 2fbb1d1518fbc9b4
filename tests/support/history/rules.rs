//! What is allowed to happen: the invariants of `ARCHITECTURE.md` that can be seen from
//! outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{End, Event, Reply, Seen, What, word::Word};

mod callbacks;

pub use callbacks::{ON_THE_WAY_MAX, TOLERANCE};

/// How late the platform may see a call that began in time: the way there, and a scheduler
/// that had other things to do.
pub const LATE_MAX: Duration = Duration::from_millis(500);

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// It was accepted, and nobody ever saw how it ended.
    Lost {
        /// The job.
        code: String,
    },
    /// The queue and the workers let go of it before its deadline, and it had no answer.
    Uncommitted {
        /// The job.
        code: String,
    },
    /// An answer became worse, or another of the same worth.
    Worsened {
        /// The job.
        code: String,
        /// The answer before.
        from: String,
        /// The answer after.
        to: String,
    },
    /// The phone number of somebody else.
    Mixed {
        /// The job.
        code: String,
    },
    /// One submission became two jobs.
    Split {
        /// The job.
        code: String,
    },
    /// The platform was called after the deadline.
    Late {
        /// The job.
        code: String,
        /// By how much.
        by: Duration,
    },
    /// The platform was called for what nobody had submitted, or what had been refused.
    Uninvited {
        /// The job.
        code: String,
    },
    /// The session of one code was given twice.
    Twice {
        /// The job.
        code: String,
    },
    /// The platform was called more often than the workers own up to.
    Uncounted {
        /// Calls after the first one, over all codes.
        repeats: u64,
        /// How many of them the workers have counted.
        counted: u64,
    },
    /// A callback was asked for, and none tells how the job ended.
    Untold {
        /// The job.
        code: String,
        /// The `webhook-id` that never came.
        missing: String,
    },
    /// A callback tells what is not the job's answer, and never was.
    Untrue {
        /// The job.
        code: String,
        /// What it tells.
        told: String,
        /// The job's answer.
        answer: String,
    },
    /// A callback tells of a failure although a success was known.
    Outdated {
        /// The job.
        code: String,
        /// Its `webhook-id`.
        under: String,
    },
    /// Two callbacks with one `webhook-id` differ.
    Reworded {
        /// The job.
        code: String,
        /// The `webhook-id`.
        under: String,
    },
    /// A callback whose receiver must take it for an old one that somebody repeats.
    Mistimed {
        /// The job.
        code: String,
        /// The `webhook-id`.
        under: String,
    },
    /// A callback for what nobody had submitted, what had been refused, or without having
    /// been asked for; or with a `webhook-id` that is not the job's.
    Unasked {
        /// The job.
        code: String,
        /// The `webhook-id`.
        under: String,
    },
}

/// Everything in `events` (in order of time) that must not have happened.
pub fn breaches(events: &[Event], end: &End) -> Vec<Breach> {
    let mut jobs: BTreeMap<&str, Job> = BTreeMap::new();
    for event in events {
        jobs.entry(&event.code).or_default().add(event);
    }
    let mut found = Vec::new();
    for (code, job) in &jobs {
        found.extend(job.breaches(code, end));
    }
    let repeats = jobs.values().map(|job| (job.calls.len() as u64).saturating_sub(1)).sum();
    if repeats > end.repeats_counted {
        found.push(Breach::Uncounted { repeats, counted: end.repeats_counted });
    }
    found
}

/// One job's part of the events.
#[derive(Default)]
struct Job<'a> {
    ids: BTreeSet<&'a str>,
    /// The latest of all submissions: each of them lets a worker call until then.
    until: Option<SystemTime>,
    seen: Vec<(SystemTime, &'a Seen)>,
    /// When, and whether the session was given.
    calls: Vec<(SystemTime, bool)>,
    /// Whether a callback was asked for.
    callback: bool,
    /// When the latest submission began that may have become a job.
    asked: Option<SystemTime>,
    told: Vec<(SystemTime, &'a Word)>,
}

impl<'a> Job<'a> {
    fn add(&mut self, event: &'a Event) {
        match &event.what {
            What::Submitted { reply, until, took, callback } => {
                if let Reply::Accepted { id } = reply {
                    self.ids.insert(id);
                }
                if !matches!(reply, Reply::Refused { .. }) {
                    self.until = self.until.max(Some(*until));
                    self.callback |= callback;
                    self.asked = self.asked.max(event.at.checked_sub(*took));
                }
            }
            What::Read(seen) => self.seen.push((event.at, seen)),
            What::Called { given } => self.calls.push((event.at, *given)),
            What::FinishedJobs(word) => self.told.push((event.at, word)),
        }
    }

    fn breaches(&self, code: &str, end: &End) -> Vec<Breach> {
        let name = || code.to_owned();
        let mut found = Vec::new();
        let accepted = !self.ids.is_empty();
        if accepted && !self.seen.iter().any(|(_, seen)| is_end(seen)) {
            found.push(Breach::Lost { code: name() });
        }
        if accepted && self.was_dropped(end) {
            found.push(Breach::Uncommitted { code: name() });
        }
        if self.ids.len() > 1 {
            found.push(Breach::Split { code: name() });
        }
        let told = self.told.iter().map(|(_, word)| &word.seen);
        let mut answers = self.seen.iter().map(|(_, seen)| *seen).chain(told);
        if answers.any(|seen| *seen == Seen::Succeeded { own: false }) {
            found.push(Breach::Mixed { code: name() });
        }
        found.extend(self.seen.windows(2).filter_map(|pair| {
            let (from, to) = (pair[0].1, pair[1].1);
            let worse = from != to && !improves(from, to);
            let told = |seen: &Seen| format!("{seen:?}");
            worse.then(|| Breach::Worsened { code: name(), from: told(from), to: told(to) })
        }));
        if self.calls.iter().filter(|(_, given)| *given).count() > 1 {
            found.push(Breach::Twice { code: name() });
        }
        found.extend(self.late_call(name()));
        found.extend(self.breaches_of_callbacks(code, end));
        found
    }

    fn late_call(&self, code: String) -> Option<Breach> {
        let (last, _) = self.calls.iter().max()?;
        let Some(until) = self.until else { return Some(Breach::Uninvited { code }) };
        let by = last.duration_since(until).ok()?;
        (by > LATE_MAX).then_some(Breach::Late { code, by })
    }

    /// Whether it had time left when everything was let go of, and was seen without an
    /// answer later.
    fn was_dropped(&self, end: &End) -> bool {
        let Some(drained_at) = end.drained_at else { return false };
        let in_time = self.until.is_some_and(|until| until > drained_at);
        let after = self.seen.last().filter(|(at, _)| *at >= drained_at);
        in_time && after.is_none_or(|(_, seen)| **seen == Seen::Queued)
    }
}

fn is_end(seen: &Seen) -> bool {
    !matches!(seen, Seen::Queued)
}

/// Whether `to` may follow `from`.
fn improves(from: &Seen, to: &Seen) -> bool {
    match (from, to) {
        (Seen::Queued, _) | (_, Seen::Erased) | (Seen::Failed(_), Seen::Succeeded { .. }) => true,
        (Seen::Failed(from), Seen::Failed(to)) => {
            from == "code_already_used" && to == "session_lost"
        }
        _ => false,
    }
}
