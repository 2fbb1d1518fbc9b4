//! What callbacks may tell, and must.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::{Breach, Job, improves};
use crate::history::{End, Seen, word::Word};

/// How long a callback may have been on its way: the time limit that trials give an attempt,
/// and a worker that is stopped for some seconds meanwhile.
pub const ON_THE_WAY_MAX: Duration = Duration::from_secs(6);

/// How far the time of a callback may be off the receiver's clock: what the libraries of
/// Standard Webhooks tolerate.
pub const TOLERANCE: Duration = Duration::from_mins(5);

impl Job<'_> {
    pub(super) fn breaches_of_callbacks(&self, code: &str, end: &End) -> Vec<Breach> {
        let name = || code.to_owned();
        let mut found = Vec::new();
        found.extend(self.missing(end).map(|missing| Breach::Untold { code: name(), missing }));
        for (at, word) in &self.told {
            let under = || word.under.clone();
            if !self.callback || !self.is_named(word) {
                found.push(Breach::Unasked { code: name(), under: under() });
            }
            if let Some(answer) = self.answer()
                && !was_once(&word.seen, answer)
            {
                let (told, answer) = (format!("{:?}", word.seen), format!("{answer:?}"));
                found.push(Breach::Untrue { code: name(), told, answer });
            }
            if distance(*at, word.signed_at) > TOLERANCE {
                found.push(Breach::Mistimed { code: name(), under: under() });
            }
            if matches!(word.seen, Seen::Failed(_)) && self.had_succeeded_long_before(*at) {
                found.push(Breach::Outdated { code: name(), under: under() });
            }
        }
        let reworded = self.reworded().into_iter().map(str::to_owned);
        found.extend(reworded.map(|under| Breach::Reworded { code: name(), under }));
        found
    }

    /// The job's answer as it was seen last.
    fn answer(&self) -> Option<&Seen> {
        self.seen.last().map(|(_, seen)| *seen)
    }

    /// The `webhook-id` that should have come and did not.
    fn missing(&self, end: &End) -> Option<String> {
        let (id, answer) = (self.ids.first()?, self.answer()?);
        let due = format!("{id}{}", final_state(answer)?);
        let came = self.told.iter().any(|(_, word)| word.under == due);
        (self.callback && !came && !self.went_with_its_queue(end)).then_some(due)
    }

    /// Whether it may have waited in a queue that was deleted: it was submitted before, no
    /// worker has called for it, and nothing but its deadline has ended it.
    fn went_with_its_queue(&self, end: &End) -> bool {
        let before = end.queue_deleted_at.zip(self.asked).is_some_and(|(at, asked)| asked <= at);
        let expired = |it: &Seen| matches!(it, Seen::Failed(code) if code == "deadline_exceeded");
        before && self.calls.is_empty() && self.answer().is_some_and(expired)
    }

    /// Whether the `webhook-id` is that of this job and of what is told. Of a job that was
    /// never accepted nobody knows the id.
    fn is_named(&self, word: &Word) -> bool {
        let Some(final_state) = final_state(&word.seen) else { return false };
        let Some(id) = word.under.strip_suffix(final_state) else { return false };
        self.ids.is_empty() || self.ids.contains(id)
    }

    /// Whether its success was known to clients before a callback was begun that came at
    /// `at`.
    fn had_succeeded_long_before(&self, at: SystemTime) -> bool {
        let read = self.seen.iter().copied();
        let told = self.told.iter().map(|(at, word)| (*at, &word.seen));
        let mut known = read.chain(told).filter(|(_, seen)| matches!(seen, Seen::Succeeded { .. }));
        known.any(|(known_at, _)| known_at + ON_THE_WAY_MAX < at)
    }

    /// Every `webhook-id` under which something was told, and then something else. A failure
    /// that takes the place of another one is told under the same.
    fn reworded(&self) -> BTreeSet<&str> {
        let mut latest: BTreeMap<&str, &Word> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for (_, word) in &self.told {
            let differs =
                |before: &Word| before.body != word.body && !improves(&before.seen, &word.seen);
            if latest.insert(&word.under, word).is_some_and(differs) {
                found.insert(word.under.as_str());
            }
        }
        found
    }
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|error| error.duration())
}

/// How the `webhook-id` ends of word of this answer, if there is any.
fn final_state(answer: &Seen) -> Option<&'static str> {
    match answer {
        Seen::Queued | Seen::Erased => None,
        Seen::Failed(_) => Some("_failed"),
        Seen::Succeeded { .. } => Some("_succeeded"),
    }
}

/// Whether a job whose answer is `now` may have had the answer `told` at some time. Nobody
/// may have looked while it was a failure.
fn was_once(told: &Seen, now: &Seen) -> bool {
    match (told, now) {
        (Seen::Queued, _) => false,
        // Whose number it is, is another question.
        (Seen::Succeeded { .. }, Seen::Succeeded { .. }) => true,
        _ => told == now || improves(told, now),
    }
}
