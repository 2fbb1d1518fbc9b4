//! How many messages the broker may send ahead. Pure.
//!
//! The limit of what a worker holds is in jobs, but the broker counts messages: those of a
//! busy producer hold several jobs each, those of an idle one a single job. So the prefetch
//! follows what is seen. It begins as if every message were full. Then the limit is kept, and
//! an idle queue does not notice.
//!
//! When messages grow fuller, the worker may hold more than its limit until those that it was
//! sent under the wider prefetch are done.

use quhao_common::envelope::batch::ENVELOPES_MAX;

/// The prefetch of the subscriptions to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefetch {
    /// The most jobs that may be unsettled.
    jobs_max: u16,
    /// Messages that the broker may send ahead.
    messages: u16,
}

/// What a consumer holds unsettled.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnsettledCounts {
    pub(super) messages: usize,
    pub(super) jobs: usize,
}

impl Prefetch {
    /// Creates the prefetch for at most `jobs_max` jobs, as if every message were full.
    pub(super) fn new(jobs_max: u16) -> Self {
        let jobs_max = jobs_max.max(1);
        Self { jobs_max, messages: messages_if_full(jobs_max) }
    }

    /// Returns the prefetch as it was at first.
    pub(super) fn reset(self) -> Self {
        Self::new(self.jobs_max)
    }

    /// Returns the most jobs that may be unsettled.
    pub(super) fn jobs_max(self) -> usize {
        usize::from(self.jobs_max)
    }

    /// Returns how many messages the broker may send ahead.
    pub(super) fn messages(self) -> u16 {
        self.messages
    }

    /// Returns what the prefetch should change to while so much is `unsettled`; `None` if it may
    /// stay.
    pub(super) fn adjusted(self, unsettled: UnsettledCounts) -> Option<Self> {
        let is_used_up = unsettled.messages >= usize::from(self.messages);
        let messages = if unsettled.jobs >= self.jobs_max() {
            // As many as were enough, if that is clearly less.
            u16::try_from(unsettled.messages)
                .unwrap_or(self.messages)
                .max(messages_if_full(self.jobs_max))
        } else if is_used_up && unsettled.jobs * 4 < self.jobs_max() * 3 {
            self.messages.saturating_mul(2).min(self.jobs_max)
        } else {
            return None;
        };
        let matters = messages > self.messages || messages < self.messages / 4 * 3;
        matters.then_some(Self { messages, ..self })
    }
}

/// Returns how many messages hold `jobs_max` jobs if all are full.
fn messages_if_full(jobs_max: u16) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "sixteen")]
    let full = ENVELOPES_MAX as u16;
    (jobs_max / full).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsettled(messages: usize, jobs: usize) -> UnsettledCounts {
        UnsettledCounts { messages, jobs }
    }

    #[test]
    fn full_messages_never_exceed_the_limit() {
        let prefetch = Prefetch::new(768);
        assert_eq!((prefetch.messages(), prefetch.jobs_max()), (48, 768));
        assert_eq!(prefetch.adjusted(unsettled(48, 768)), None);
        assert_eq!(Prefetch::new(3).messages(), 1);
    }

    #[test]
    fn single_jobs_widen_it_up_to_the_limit() {
        let mut prefetch = Prefetch::new(768);
        let mut steps = 0;
        let all_single = |prefetch: Prefetch| {
            let messages = usize::from(prefetch.messages());
            prefetch.adjusted(unsettled(messages, messages))
        };
        while let Some(next) = all_single(prefetch) {
            prefetch = next;
            steps += 1;
        }
        assert_eq!((prefetch.messages(), steps), (768, 4));
    }

    #[test]
    fn it_stays_while_there_is_room() {
        let prefetch = Prefetch::new(768);
        assert_eq!(prefetch.adjusted(unsettled(0, 0)), None);
        assert_eq!(prefetch.adjusted(unsettled(47, 47)), None);
    }

    #[test]
    fn fuller_messages_narrow_it() {
        let wide = Prefetch { jobs_max: 768, messages: 768 };
        let narrow = wide.adjusted(unsettled(60, 770)).expect("a change");
        assert_eq!(narrow.messages(), 60);
        assert_eq!(narrow.adjusted(unsettled(60, 770)), None, "no second change");
        assert_eq!(wide.adjusted(unsettled(700, 768)), None, "nearly the same is the same");
        let least = wide.adjusted(unsettled(2, 770)).expect("a change").messages();
        assert_eq!(least, 48, "no fewer than what full ones need");
    }
}
