//! What follows a failed call, by all that has happened to its job.

use proptest::prelude::*;

use super::*;

fn input(remaining_seconds: u64) -> RetryInput {
    RetryInput {
        remaining: Duration::from_secs(remaining_seconds),
        into_minute: Duration::from_secs(50),
        chance: 0.5,
    }
}

/// Decides on each of `failures` in turn. Returns the last decision.
fn after(failures: &[CallFailure], redelivered: bool, remaining_seconds: u64) -> Next {
    let mut history = History { redelivered, ..History::default() };
    let mut step = None;
    for failure in failures {
        history.record(*failure);
        step = Some(decide(*failure, &history, input(remaining_seconds)));
    }
    step.unwrap()
}

fn is_retry(step: Next) -> bool {
    matches!(step, Next::Retry { .. })
}

#[test]
fn calls_are_repeated_as_often_as_the_code_allows() {
    use CallFailure::{Busy, NotSent, Unanswered};
    for (failures, again) in [
        (vec![NotSent], true),
        (vec![NotSent; 40], true),
        (vec![Unanswered], true),
        (vec![Unanswered, Unanswered], false),
        (vec![Busy], true),
        (vec![Busy, Busy], true),
        (vec![Busy, Busy, Busy], false),
        (vec![NotSent, Busy, Unanswered], true),
    ] {
        let step = after(&failures, false, 200);
        assert_eq!(is_retry(step), again, "{failures:?}: {step:?}");
        if !again {
            assert_eq!(step, Next::Fail(FailureCode::PlatformUnavailable));
        }
    }
}

#[test]
fn the_minute_quota_waits_for_the_next_minute_or_ends() {
    let step = after(&[CallFailure::MinuteQuota], false, 200);
    let Next::Retry { after: pause, .. } = step else { panic!("{step:?}") };
    assert!((10..14).contains(&pause.as_secs()), "{pause:?}");
    assert_eq!(
        after(&[CallFailure::MinuteQuota], false, 5),
        Next::Fail(FailureCode::PlatformRateLimited)
    );
}

#[test]
fn a_spent_code_fails_by_who_may_have_spent_it() {
    use CallFailure::{Busy, CodeInvalid, CodeUsed, NotSent, Unanswered};
    let check = |otherwise| Next::CheckDuplicates { otherwise };
    for (failures, redelivered, step) in [
        (vec![CodeUsed], false, check(FailureCode::CodeAlreadyUsed)),
        (vec![CodeUsed], true, check(FailureCode::SessionLost)),
        (vec![Busy, CodeUsed], false, check(FailureCode::SessionLost)),
        (vec![Unanswered, CodeUsed], false, check(FailureCode::SessionLost)),
        (vec![NotSent, CodeUsed], false, check(FailureCode::CodeAlreadyUsed)),
        (vec![CodeInvalid], false, Next::Fail(FailureCode::CodeInvalid)),
        (vec![NotSent, CodeInvalid], false, Next::Fail(FailureCode::CodeInvalid)),
        (vec![CodeInvalid], true, check(FailureCode::SessionLost)),
        (vec![Unanswered, CodeInvalid], false, check(FailureCode::SessionLost)),
    ] {
        assert_eq!(after(&failures, redelivered, 200), step, "{failures:?} {redelivered}");
    }
}

#[test]
fn missing_credential_waits_refused_retries_once() {
    use CallFailure::{Busy, CodeInvalid, CodeUsed, CredentialRefused, NoCredential, Unanswered};
    for (failures, again) in [
        (vec![NoCredential], true),
        (vec![NoCredential; 40], true),
        (vec![CredentialRefused], true),
        (vec![NoCredential, CredentialRefused], true),
        (vec![CredentialRefused, NoCredential], true),
        (vec![CredentialRefused, CredentialRefused], false),
        (vec![CredentialRefused, Busy, CredentialRefused], false),
    ] {
        let step = after(&failures, false, 200);
        assert_eq!(is_retry(step), again, "{failures:?}: {step:?}");
        if !again {
            assert_eq!(step, Next::Fail(FailureCode::AppMisconfigured));
        }
    }
    // A platform that knows its new token already is not called sooner than it must.
    let step = after(&[CredentialRefused], false, 200);
    let Next::Retry { after: pause, .. } = step else { panic!("{step:?}") };
    assert!((200..1000).contains(&pause.as_millis()), "{pause:?}");
    // No time to try again says nothing about the app.
    for failure in [NoCredential, CredentialRefused] {
        assert_eq!(after(&[failure], false, 0), Next::Fail(FailureCode::PlatformUnavailable));
    }
    // Neither has spent the code.
    for failure in [NoCredential, CredentialRefused] {
        let step = after(&[failure, CodeInvalid], false, 200);
        assert_eq!(step, Next::Fail(FailureCode::CodeInvalid));
        let step = after(&[failure, CodeUsed], false, 200);
        assert_eq!(step, Next::CheckDuplicates { otherwise: FailureCode::CodeAlreadyUsed });
        let step = after(&[failure, Unanswered, CodeUsed], false, 200);
        assert_eq!(step, Next::CheckDuplicates { otherwise: FailureCode::SessionLost });
    }
}

#[test]
fn final_failures_are_not_retried() {
    for code in FailureCode::ALL {
        assert_eq!(after(&[CallFailure::Final(*code)], true, 200), Next::Fail(*code));
    }
}

fn failures() -> impl Strategy<Value = Vec<CallFailure>> {
    let one = prop_oneof![
        Just(CallFailure::NotSent),
        Just(CallFailure::Unanswered),
        Just(CallFailure::Busy),
        Just(CallFailure::MinuteQuota),
        Just(CallFailure::NoCredential),
        Just(CallFailure::CredentialRefused),
    ];
    prop::collection::vec(one, 1..30)
}

proptest! {
    #[test]
    fn no_retry_waits_beyond_the_deadline(
        failures in failures(), remaining_ms in 0_u64..300_000,
        into_minute_ms in 0_u64..60_000, chance in 0.0..1.0_f64,
    ) {
        let mut history = History::default();
        let remaining = Duration::from_millis(remaining_ms);
        let into_minute = Duration::from_millis(into_minute_ms);
        for failure in failures {
            history.record(failure);
            let step = decide(failure, &history, RetryInput { remaining, into_minute, chance });
            if let Next::Retry { after, .. } = step {
                prop_assert!(after < remaining && after < Duration::from_secs(64));
            }
        }
    }

    #[test]
    fn calls_that_may_spend_the_code_are_few(failures in failures(), chance in 0.0..1.0_f64) {
        let mut history = History::default();
        let mut may_have_spent = 0;
        for failure in failures {
            may_have_spent += u32::from(matches!(failure, CallFailure::Busy | CallFailure::Unanswered));
            history.record(failure);
            prop_assert_eq!(history.may_have_spent_the_code(), may_have_spent > 0);
            let input = RetryInput { chance, ..input(200) };
            if !is_retry(decide(failure, &history, input)) {
                break;
            }
            prop_assert!(may_have_spent <= 3, "the code may have been spent so often");
        }
    }
}
