//! What is allowed to happen: the invariants of `ARCHITECTURE.md` that can be seen from
//! outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::event::{End, Event, Reply, Seen, WebhookEvent, What};

mod callbacks;

pub use callbacks::{ON_THE_WAY_MAX, TOLERANCE};

/// How late a call that began in time may arrive at the platform: network and scheduler
/// take their time.
pub const LATE_MAX: Duration = Duration::from_millis(500);

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// The job was accepted, and no client ever read a result.
    Lost {
        /// The job.
        code: String,
    },
    /// The job's message was acked before its deadline, and it had no answer.
    AckedWithoutAnswer {
        /// The job.
        code: String,
    },
    /// An answer became worse, or another one of the same worth.
    AnswerGotWorse {
        /// The job.
        code: String,
        /// The answer before.
        from: String,
        /// The answer after.
        to: String,
    },
    /// The result has another guest's phone number.
    WrongPhone {
        /// The job.
        code: String,
    },
    /// One submission became two jobs.
    TwoJobs {
        /// The job.
        code: String,
    },
    /// The platform was called after the deadline.
    LateCall {
        /// The job.
        code: String,
        /// How late.
        by: Duration,
    },
    /// The platform was called for a code that was never submitted, or was refused.
    UnexpectedCall {
        /// The job.
        code: String,
    },
    /// The session of one code was given twice.
    SessionGivenTwice {
        /// The job.
        code: String,
    },
    /// The platform was called more often than the workers' metrics say.
    UncountedRepeats {
        /// Calls after the first one, over all codes.
        repeats: u64,
        /// How many of them the workers have counted.
        counted: u64,
    },
    /// A callback was asked for, and none reports how the job ended.
    CallbackMissing {
        /// The job.
        code: String,
        /// The `webhook-id` that never came.
        missing: String,
    },
    /// A callback reports what is not the job's answer, and never was.
    CallbackWrong {
        /// The job.
        code: String,
        /// The answer that it reports.
        reported: String,
        /// The job's answer.
        answer: String,
    },
    /// A callback reports a failure although a success was known.
    CallbackOutdated {
        /// The job.
        code: String,
        /// Its `webhook-id`.
        webhook_id: String,
    },
    /// Two callbacks with one `webhook-id` differ.
    CallbackChanged {
        /// The job.
        code: String,
        /// Its `webhook-id`.
        webhook_id: String,
    },
    /// A callback has a timestamp that its receiver must take for a replay.
    CallbackMistimed {
        /// The job.
        code: String,
        /// Its `webhook-id`.
        webhook_id: String,
    },
    /// A callback for a job that was never submitted, was refused, or did not ask for one; or
    /// with a `webhook-id` that is not the job's.
    CallbackUnexpected {
        /// The job.
        code: String,
        /// Its `webhook-id`.
        webhook_id: String,
    },
}

/// Finds everything in `events` (in order of time) that must not have happened.
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
        found.push(Breach::UncountedRepeats { repeats, counted: end.repeats_counted });
    }
    found
}

/// The events of one job.
#[derive(Default)]
struct Job<'a> {
    ids: BTreeSet<&'a str>,
    /// The latest deadline of all submissions: a worker may call until then.
    until: Option<SystemTime>,
    seen: Vec<(SystemTime, &'a Seen)>,
    /// When the platform was called, and whether it gave the session.
    calls: Vec<(SystemTime, bool)>,
    /// Whether a callback was asked for.
    callback: bool,
    /// When the latest submission began that may have become a job.
    asked: Option<SystemTime>,
    /// When webhook events were received.
    notified: Vec<(SystemTime, &'a WebhookEvent)>,
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
            What::Notified(webhook) => self.notified.push((event.at, webhook)),
        }
    }

    fn breaches(&self, code: &str, end: &End) -> Vec<Breach> {
        let name = || code.to_owned();
        let mut found = Vec::new();
        let accepted = !self.ids.is_empty();
        if accepted && !self.seen.iter().any(|(_, seen)| is_result(seen)) {
            found.push(Breach::Lost { code: name() });
        }
        if accepted && self.was_dropped(end) {
            found.push(Breach::AckedWithoutAnswer { code: name() });
        }
        if self.ids.len() > 1 {
            found.push(Breach::TwoJobs { code: name() });
        }
        let notified = self.notified.iter().map(|(_, event)| &event.seen);
        let mut answers = self.seen.iter().map(|(_, seen)| *seen).chain(notified);
        if answers.any(|seen| *seen == Seen::Succeeded { own: false }) {
            found.push(Breach::WrongPhone { code: name() });
        }
        found.extend(self.seen.windows(2).filter_map(|pair| {
            let (from, to) = (pair[0].1, pair[1].1);
            let worse = from != to && !improves(from, to);
            let (from, to) = (format!("{from:?}"), format!("{to:?}"));
            worse.then(|| Breach::AnswerGotWorse { code: name(), from, to })
        }));
        if self.calls.iter().filter(|(_, given)| *given).count() > 1 {
            found.push(Breach::SessionGivenTwice { code: name() });
        }
        found.extend(self.late_call(name()));
        found.extend(self.breaches_of_callbacks(code, end));
        found
    }

    fn late_call(&self, code: String) -> Option<Breach> {
        let (last, _) = self.calls.iter().max()?;
        let Some(until) = self.until else { return Some(Breach::UnexpectedCall { code }) };
        let by = last.duration_since(until).ok()?;
        (by > LATE_MAX).then_some(Breach::LateCall { code, by })
    }

    /// Returns whether it had time left when all workers were idle, and was read without an
    /// answer later.
    fn was_dropped(&self, end: &End) -> bool {
        let Some(drained_at) = end.drained_at else { return false };
        let in_time = self.until.is_some_and(|until| until > drained_at);
        let after = self.seen.last().filter(|(at, _)| *at >= drained_at);
        in_time && after.is_none_or(|(_, seen)| **seen == Seen::Queued)
    }
}

fn is_result(seen: &Seen) -> bool {
    !matches!(seen, Seen::Queued)
}

/// Returns whether the answer `to` may follow `from`.
fn improves(from: &Seen, to: &Seen) -> bool {
    match (from, to) {
        (Seen::Queued, _) | (_, Seen::Erased) | (Seen::Failed(_), Seen::Succeeded { .. }) => true,
        (Seen::Failed(from), Seen::Failed(to)) => {
            from == "code_already_used" && to == "session_lost"
        }
        _ => false,
    }
}
