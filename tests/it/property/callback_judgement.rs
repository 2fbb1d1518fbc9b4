//! What follows an attempt at a callback.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use quhao_worker::callback::{
    next_attempt::{Ended, Judgement, Limits, Moment, judge, retry_after},
    reason::Reason,
};

const LIMITS: Limits = Limits { total: Duration::from_mins(10), attempts_max: 12 };

fn answered(status: u16) -> Ended {
    Ended::Answered { status, retry_after: None }
}

fn asking(status: u16, seconds: u64) -> Ended {
    Ended::Answered { status, retry_after: Some(Duration::from_secs(seconds)) }
}

fn early(ended: Ended) -> Judgement {
    let moment = Moment { attempt: 1, elapsed: Duration::from_secs(1), chance: 1.0 };
    judge(ended, moment, LIMITS)
}

fn again(seconds: u64) -> Judgement {
    Judgement::Again { after: Duration::from_secs(seconds) }
}

#[test]
fn a_status_says_whether_it_is_over() {
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(early(answered(status)), Judgement::Delivered, "{status}");
    }
    assert_eq!(early(answered(410)), Judgement::Failed);
    for status in [101, 300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 422, 429, 500, 503, 599] {
        assert_eq!(early(answered(status)), again(1), "{status}");
    }
    assert_eq!(answered(302).reason(), Some(Reason::Redirect));
    assert_eq!(answered(500).reason(), Some(Reason::Status));
    assert_eq!(answered(410).reason(), Some(Reason::Gone));
    assert_eq!(answered(200).reason(), None);
}

#[test]
fn without_an_answer_it_is_tried_again_unless_nothing_can_come_of_it() {
    for reason in Reason::ALL {
        let is_final = matches!(reason, Reason::Gone | Reason::Damaged | Reason::Superseded);
        let expected = if is_final { Judgement::Failed } else { again(1) };
        assert_eq!(early(Ended::Not(*reason)), expected, "{reason:?}");
    }
}

#[test]
fn who_asks_for_a_pause_gets_it() {
    for status in [429, 502, 503, 504] {
        assert_eq!(early(asking(status, 30)), again(30), "{status}");
        assert_eq!(early(asking(status, 0)), again(1), "never less than our own: {status}");
        assert_eq!(early(asking(status, 599)), again(599), "{status}");
        assert_eq!(early(asking(status, 600)), Judgement::Failed, "beyond the limit: {status}");
        let forever = Ended::Answered { status, retry_after: Some(Duration::MAX) };
        assert_eq!(early(forever), Judgement::Failed, "{status}");
    }
    for status in [302, 400, 500] {
        assert_eq!(early(asking(status, 30)), again(1), "no business of this status: {status}");
    }
}

#[test]
fn the_default_attempts_fill_the_default_time() {
    for (chance, least, most) in [(0.0, 300, 350), (0.5, 450, 500), (0.8, 540, 600)] {
        let mut moment = Moment { attempt: 1, elapsed: Duration::ZERO, chance };
        while let Judgement::Again { after } = judge(answered(500), moment, LIMITS) {
            moment.elapsed += after;
            moment.attempt += 1;
        }
        assert_eq!(moment.attempt, LIMITS.attempts_max, "{chance}");
        let seconds = moment.elapsed.as_secs();
        assert!((least..=most).contains(&seconds), "{chance}: {seconds} s");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_in_any_form_of_http() {
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

fn ended() -> impl Strategy<Value = Ended> {
    let asked = prop::option::of((0..10_000_u64).prop_map(Duration::from_secs));
    let answered = (100..600_u16, asked)
        .prop_map(|(status, retry_after)| Ended::Answered { status, retry_after });
    let not = prop::sample::select(Reason::ALL).prop_map(Ended::Not);
    prop_oneof![answered, not]
}

proptest! {
    #[test]
    fn no_attempt_lies_beyond_a_limit(
        ended in ended(), attempt in 1..30_u32, elapsed_ms in 0..700_000_u64, chance in 0.0..1.0_f64,
    ) {
        let elapsed = Duration::from_millis(elapsed_ms);
        let judgement = judge(ended, Moment { attempt, elapsed, chance }, LIMITS);
        if let Judgement::Again { after } = judgement {
            prop_assert!(attempt < LIMITS.attempts_max);
            prop_assert!(elapsed + after <= LIMITS.total);
            prop_assert!(after >= Duration::from_millis(500));
        }
        prop_assert_eq!(judgement == Judgement::Delivered, ended.reason().is_none());
    }
}
