//! How many messages the broker may send ahead. Pure.
//!
//! What a worker may hold is counted in jobs, and the broker counts messages: of a busy
//! producer each brings several jobs, of an idle one a single one. So the prefetch follows
//! what is seen. It begins as if every message were full: then no more is held than may be,
//! and an idle queue does not notice.
//!
//! When messages grow fuller, those of the old number are held until they are worked off.

use quhao_common::envelope::batch::ENVELOPES_MAX;

/// The prefetch of a subscription to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Jobs.
    max: u16,
    /// Messages.
    now: u16,
}

impl Allowance {
    /// For at most `max` jobs.
    pub(super) fn new(max: u16) -> Self {
        let max = max.max(1);
        Self { max, now: least(max) }
    }

    /// As it was at first.
    pub(super) fn anew(self) -> Self {
        Self::new(self.max)
    }

    /// Jobs that may be held.
    pub(super) fn jobs(self) -> usize {
        usize::from(self.max)
    }

    /// Messages that the broker may send.
    pub(super) fn messages(self) -> u16 {
        self.now
    }

    /// What it should be when so many `messages` are held with so many `jobs`; `None` as
    /// long as it does no harm.
    pub(super) fn follow(self, messages: usize, jobs: usize) -> Option<Self> {
        let all_out = messages >= usize::from(self.now);
        let now = if jobs >= self.jobs() {
            // As many as were enough, if that is clearly less.
            u16::try_from(messages).unwrap_or(self.now).max(least(self.max))
        } else if all_out && jobs * 4 < self.jobs() * 3 {
            self.now.saturating_mul(2).min(self.max)
        } else {
            return None;
        };
        let matters = now > self.now || now < self.now / 4 * 3;
        matters.then_some(Self { now, ..self })
    }
}

/// What brings `max` jobs if all messages are full.
fn least(max: u16) -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "sixteen")]
    let full = ENVELOPES_MAX as u16;
    (max / full).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_messages_never_bring_more_than_may_be_held() {
        let allowance = Allowance::new(768);
        assert_eq!((allowance.messages(), allowance.jobs()), (48, 768));
        assert_eq!(allowance.follow(48, 768), None);
        assert_eq!(Allowance::new(3).messages(), 1);
    }

    #[test]
    fn single_jobs_widen_it_until_as_many_are_held_as_may_be() {
        let mut allowance = Allowance::new(768);
        let mut steps = 0;
        while let Some(next) =
            allowance.follow(allowance.messages().into(), allowance.messages().into())
        {
            allowance = next;
            steps += 1;
        }
        assert_eq!((allowance.messages(), steps), (768, 4));
    }

    #[test]
    fn it_stays_where_it_is_while_there_is_room() {
        let allowance = Allowance::new(768);
        assert_eq!(allowance.follow(0, 0), None);
        assert_eq!(allowance.follow(47, 47), None);
    }

    #[test]
    fn fuller_messages_narrow_it() {
        let wide = Allowance { max: 768, now: 768 };
        let narrow = wide.follow(60, 770).expect("a change");
        assert_eq!(narrow.messages(), 60);
        assert_eq!(narrow.follow(60, 770), None, "and that is that");
        assert_eq!(wide.follow(700, 768), None, "nearly the same is the same");
        let least = wide.follow(2, 770).expect("a change").messages();
        assert_eq!(least, 48, "no fewer than what full ones need");
    }
}
