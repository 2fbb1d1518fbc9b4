//! Which duplicates of jobs are already answered, and need not be run. Pure.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use super::{columns::job_key, error::StoreError};
use quhao_common::domain::{answer::AnswerValidity, id::JobKey};

/// The columns of table `jobs` that say for which duplicates an answer is valid.
#[derive(Debug)]
pub(super) struct ValidityRow {
    pub(super) key: Vec<u8>,
    pub(super) expires_at: OffsetDateTime,
    /// The failure's code; `None` for a success, or if it was erased.
    pub(super) failure: Option<String>,
}

/// Returns which of `jobs`, each with the deadline of one delivery, are answered by one of
/// `rows`.
pub(super) fn answered(
    jobs: &[(JobKey, OffsetDateTime)],
    rows: Vec<ValidityRow>,
) -> Result<HashSet<JobKey>, StoreError> {
    let mut answers = HashMap::with_capacity(rows.len());
    for row in rows {
        let validity = AnswerValidity::of(row.failure.as_deref(), row.expires_at);
        answers.insert(job_key(row.key)?, validity);
    }
    let is_answered = |key: &JobKey, expires_at: OffsetDateTime| {
        answers.get(key).is_some_and(|validity| validity.covers(expires_at))
    };
    let answered = jobs.iter().filter(|(key, expires_at)| is_answered(key, *expires_at));
    Ok(answered.map(|(key, _)| *key).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use quhao_common::domain::failure::FailureCode;

    use super::*;

    const AT: OffsetDateTime = time::macros::datetime!(2026-11-22 12:00 UTC);

    #[test]
    fn passed_deadline_covers_no_later_deadline() {
        let before = AT - Duration::from_millis(1);
        let after = AT + Duration::from_millis(1);
        for failure in FailureCode::ALL {
            let validity = AnswerValidity::of(Some(failure.as_str()), AT);
            assert!(validity.covers(before) && validity.covers(AT), "{failure:?}");
            assert_eq!(validity.covers(after), *failure != FailureCode::DeadlineExceeded);
        }
        assert!(AnswerValidity::of(None, AT).covers(after), "a success, or what was erased");
    }

    #[test]
    fn each_delivery_is_judged_by_its_own_deadline() {
        let key = |byte: u8| JobKey::from_bytes([byte; 16]);
        let row = |byte: u8, failure: Option<FailureCode>| ValidityRow {
            key: key(byte).as_bytes().to_vec(),
            expires_at: AT,
            failure: failure.map(|code| code.as_str().to_owned()),
        };
        let passed = Some(FailureCode::DeadlineExceeded);
        let rows = || vec![row(1, passed), row(2, passed), row(3, None)];
        let after = AT + Duration::from_secs(1);
        let jobs = [(key(1), AT), (key(2), after), (key(3), after), (key(4), AT)];
        assert_eq!(answered(&jobs, rows()).unwrap(), [key(1), key(3)].into());
        // If either of two duplicates is answered, the key is returned.
        let duplicates = [(key(2), after), (key(2), AT)];
        assert_eq!(answered(&duplicates, rows()).unwrap(), [key(2)].into());
    }
}
