//! What follows an attempt at a callback, by its result and the limits.

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { total: Duration::from_mins(10), attempts_max: 12 };

fn answered(status: u16) -> AttemptResult {
    AttemptResult::Answered { status, retry_after: None }
}

fn asking(status: u16, seconds: u64) -> AttemptResult {
    AttemptResult::Answered { status, retry_after: Some(Duration::from_secs(seconds)) }
}

/// Decides what follows a first attempt.
fn after_first(result: AttemptResult) -> NextStep {
    let input = AttemptInput { attempt: 1, elapsed: Duration::from_secs(1), chance: 1.0 };
    decide(result, input, LIMITS)
}

fn retry(seconds: u64) -> NextStep {
    NextStep::Retry { after: Duration::from_secs(seconds) }
}

#[test]
fn only_2xx_and_410_end_a_callback() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(after_first(answered(status)), NextStep::Done, "{status}");
    }
    assert_eq!(after_first(answered(410)), NextStep::GiveUp);
    for status in [101, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 422, 429, 500, 503, 599] {
        assert_eq!(after_first(answered(status)), retry(1), "{status}");
    }
    assert_eq!(answered(302).reason(), Some(Reason::Redirect));
    assert_eq!(answered(500).reason(), Some(Reason::Status));
    assert_eq!(answered(410).reason(), Some(Reason::Gone));
    assert_eq!(answered(200).reason(), None);
}

#[test]
fn failed_attempts_are_retried_unless_final() {
    for reason in Reason::ALL {
        let is_final = matches!(reason, Reason::Gone | Reason::Damaged | Reason::Superseded);
        let expected = if is_final { NextStep::GiveUp } else { retry(1) };
        assert_eq!(after_first(AttemptResult::Failed(*reason)), expected, "{reason:?}");
    }
}

#[test]
fn retry_after_is_respected_within_the_limits() {
    for status in [429, 502, 503, 504] {
        assert_eq!(after_first(asking(status, 30)), retry(30), "{status}");
        assert_eq!(after_first(asking(status, 0)), retry(1), "never less than our own: {status}");
        assert_eq!(after_first(asking(status, 599)), retry(599), "{status}");
        assert_eq!(
            after_first(asking(status, 600)),
            NextStep::GiveUp,
            "beyond the limit: {status}"
        );
        let forever = AttemptResult::Answered { status, retry_after: Some(Duration::MAX) };
        assert_eq!(after_first(forever), NextStep::GiveUp, "{status}");
    }
    for status in [302, 400, 500] {
        assert_eq!(
            after_first(asking(status, 30)),
            retry(1),
            "not a status that asks for a pause: {status}"
        );
    }
}

#[test]
fn the_default_attempts_fill_the_default_time() {
    for (chance, least, most) in [(0.0, 300, 350), (0.5, 450, 500), (0.8, 540, 600)] {
        let mut input = AttemptInput { attempt: 1, elapsed: Duration::ZERO, chance };
        while let NextStep::Retry { after } = decide(answered(500), input, LIMITS) {
            input.elapsed += after;
            input.attempt += 1;
        }
        assert_eq!(input.attempt, LIMITS.attempts_max, "{chance}");
        let seconds = input.elapsed.as_secs();
        assert!((least..=most).contains(&seconds), "{chance}: {seconds} s");
    }
}

#[test]
fn retry_after_is_seconds_or_an_http_date() {
    // Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let now = then - Duration::from_secs(90);
    for (text, seconds) in [
        ("0", Some(0)),
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90)),
        ("Sun Nov  6 08:49:37 1994", Some(90)),
        ("Sun, 06 Nov 1994 08:48:00 GMT", Some(0)),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("+1", None),
        ("soon", None),
        ("1994-11-06T08:49:37Z", None),
    ] {
        assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text:?}");
    }
    assert_eq!(retry_after("99999999999999999999", now), Some(Duration::MAX));
}

fn results() -> impl Strategy<Value = AttemptResult> {
    let asked = prop::option::of((0..10_000_u64).prop_map(Duration::from_secs));
    let answered = (100..600_u16, asked)
        .prop_map(|(status, retry_after)| AttemptResult::Answered { status, retry_after });
    let failed = prop::sample::select(Reason::ALL).prop_map(AttemptResult::Failed);
    prop_oneof![answered, failed]
}

proptest! {
    #[test]
    fn no_attempt_lies_beyond_a_limit(
        result in results(), attempt in 1..30_u32, elapsed_ms in 0..700_000_u64, chance in 0.0..1.0_f64,
    ) {
        let elapsed = Duration::from_millis(elapsed_ms);
        let next = decide(result, AttemptInput { attempt, elapsed, chance }, LIMITS);
        if let NextStep::Retry { after } = next {
            prop_assert!(attempt < LIMITS.attempts_max);
            prop_assert!(elapsed + after <= LIMITS.total);
            prop_assert!(after >= Duration::from_millis(500));
        }
        prop_assert_eq!(next == NextStep::Done, result.reason().is_none());
    }
}
