//! Which copies of jobs need no work, since there is an answer that holds for them. Pure, and
//! the same for every member.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use quhao_common::domain::{answer::AnswerValidity, id::JobKey};

/// The keys of those `copies`, each with its deadline, for which one of `answers` holds.
pub(super) fn answered(
    copies: &[(JobKey, OffsetDateTime)],
    answers: impl IntoIterator<Item = (JobKey, AnswerValidity)>,
) -> HashSet<JobKey> {
    let answers: HashMap<JobKey, AnswerValidity> = answers.into_iter().collect();
    let holds = |key: &JobKey, expires_at: OffsetDateTime| {
        answers.get(key).is_some_and(|answer| answer.covers(expires_at))
    };
    copies.iter().filter(|(key, at)| holds(key, *at)).map(|(key, _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quhao_common::domain::failure::FailureCode;

    use super::*;

    const AT: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

    #[test]
    fn only_that_an_earlier_deadline_passed_says_nothing_of_a_later_one() {
        let (before, after) = (AT - Duration::from_millis(1), AT + Duration::from_millis(1));
        for failure in FailureCode::ALL {
            let holds = AnswerValidity::of(Some(failure.as_str()), AT);
            assert!(holds.covers(before) && holds.covers(AT), "{failure:?}");
            assert_eq!(holds.covers(after), *failure != FailureCode::DeadlineExceeded);
        }
        assert!(AnswerValidity::of(None, AT).covers(after), "a success, or what was erased");
    }

    #[test]
    fn each_copy_is_judged_by_its_own_deadline() {
        let key = |byte: u8| JobKey::from_bytes([byte; 16]);
        let late = AnswerValidity::Until(AT);
        let after = AT + Duration::from_secs(1);
        let copies = [(key(1), AT), (key(2), after), (key(3), after), (key(4), AT)];
        let answers = [(key(1), late), (key(2), late), (key(3), AnswerValidity::Always)];
        assert_eq!(answered(&copies, answers), [key(1), key(3)].into());
        // One of two copies is enough: who asks for both is told of the key.
        assert_eq!(answered(&[(key(2), after), (key(2), AT)], answers), [key(2)].into());
    }
}
