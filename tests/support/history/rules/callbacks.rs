//! What callbacks may report, and must.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{Breach, Job, improves};
use crate::history::event::{End, Seen, WebhookEvent};

/// How long a callback may have been on its way: the time limit that fault runs give an
/// attempt, and a worker that is stopped for some seconds meanwhile.
pub const ON_THE_WAY_MAX: Duration = Duration::from_secs(6);

/// How far a callback's timestamp may be off the receiver's clock: what the libraries of
/// Standard Webhooks tolerate.
pub const TOLERANCE: Duration = Duration::from_mins(5);

impl Job<'_> {
    /// Finds what is wrong with the job's callbacks.
    pub(super) fn breaches_of_callbacks(&self, code: &str, end: &End) -> Vec<Breach> {
        let name = || code.to_owned();
        let mut found = Vec::new();
        found.extend(
            self.missing(end).map(|missing| Breach::CallbackMissing { code: name(), missing }),
        );
        for (at, event) in &self.notified {
            let webhook_id = || event.webhook_id.clone();
            if !self.callback || !self.is_named(event) {
                found.push(Breach::CallbackUnexpected { code: name(), webhook_id: webhook_id() });
            }
            if let Some(answer) = self.answer()
                && !was_possible(&event.seen, answer)
            {
                let reported = format!("{:?}", event.seen);
                let answer = format!("{answer:?}");
                found.push(Breach::CallbackWrong { code: name(), reported, answer });
            }
            if distance(*at, event.signed_at) > TOLERANCE {
                found.push(Breach::CallbackMistimed { code: name(), webhook_id: webhook_id() });
            }
            if matches!(event.seen, Seen::Failed(_)) && self.had_succeeded_long_before(*at) {
                found.push(Breach::CallbackOutdated { code: name(), webhook_id: webhook_id() });
            }
        }
        for webhook_id in self.changed() {
            let webhook_id = webhook_id.to_owned();
            found.push(Breach::CallbackChanged { code: name(), webhook_id });
        }
        found
    }

    /// Returns the job's answer as it was read last.
    fn answer(&self) -> Option<&Seen> {
        self.seen.last().map(|(_, seen)| *seen)
    }

    /// Returns the `webhook-id` that should have come and did not.
    fn missing(&self, end: &End) -> Option<String> {
        let (id, answer) = (self.ids.first()?, self.answer()?);
        let due = format!("{id}{}", suffix(answer)?);
        let came = self.notified.iter().any(|(_, event)| event.webhook_id == due);
        (self.callback && !came && !self.was_deleted_with_its_queue(end)).then_some(due)
    }

    /// Returns whether it may have waited in a queue that was deleted: it was submitted
    /// before, no worker has called for it, and nothing but its deadline has ended it.
    fn was_deleted_with_its_queue(&self, end: &End) -> bool {
        let before = end.queue_deleted_at.zip(self.asked).is_some_and(|(at, asked)| asked <= at);
        let expired = |it: &Seen| matches!(it, Seen::Failed(code) if code == "deadline_exceeded");
        before && self.calls.is_empty() && self.answer().is_some_and(expired)
    }

    /// Returns whether the `webhook-id` fits this job and what the event reports. The id of a
    /// job that was never accepted is unknown.
    fn is_named(&self, event: &WebhookEvent) -> bool {
        let Some(suffix) = suffix(&event.seen) else { return false };
        let Some(id) = event.webhook_id.strip_suffix(suffix) else { return false };
        self.ids.is_empty() || self.ids.contains(id)
    }

    /// Returns whether its success was known to clients before a callback was sent that
    /// arrived at `at`.
    fn had_succeeded_long_before(&self, at: SystemTime) -> bool {
        let read = self.seen.iter().copied();
        let notified = self.notified.iter().map(|(at, event)| (*at, &event.seen));
        let mut known =
            read.chain(notified).filter(|(_, seen)| matches!(seen, Seen::Succeeded { .. }));
        known.any(|(known_at, _)| known_at + ON_THE_WAY_MAX < at)
    }

    /// Returns every `webhook-id` of two events that differ. A failure that replaces another
    /// one has the same id, and may differ.
    fn changed(&self) -> BTreeSet<&str> {
        let mut latest: BTreeMap<&str, &WebhookEvent> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for (_, event) in &self.notified {
            let differs = |before: &WebhookEvent| {
                before.body != event.body && !improves(&before.seen, &event.seen)
            };
            if latest.insert(&event.webhook_id, event).is_some_and(differs) {
                found.insert(event.webhook_id.as_str());
            }
        }
        found
    }
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

/// Returns how the `webhook-id` of an event about this answer ends, if there is one.
fn suffix(answer: &Seen) -> Option<&'static str> {
    match answer {
        Seen::Queued | Seen::Erased => None,
        Seen::Failed(_) => Some("_failed"),
        Seen::Succeeded { .. } => Some("_succeeded"),
    }
}

/// Returns whether a job whose answer is `now` may have had the answer `reported` before,
/// perhaps without a client reading it.
fn was_possible(reported: &Seen, now: &Seen) -> bool {
    match (reported, now) {
        (Seen::Queued, _) => false,
        // Whose number it is, is checked elsewhere.
        (Seen::Succeeded { .. }, Seen::Succeeded { .. }) => true,
        _ => reported == now || improves(reported, now),
    }
}
