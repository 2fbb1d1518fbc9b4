//! The judge of the other fault tests is one that finds something: a history for each rule.

use std::time::{Duration, SystemTime};

use quhao_tests::history::{
    End, Event, Reply, Seen, What,
    rules::{Breach, LATE_MAX, breaches},
};

mod callbacks;

const CODE: &str = "code-1";
/// Seconds after the start of every history until which its jobs are worth something.
const UNTIL: u64 = 60;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn event(seconds: u64, what: What) -> Event {
    Event { at: at(seconds), code: CODE.to_owned(), what }
}

fn submitted(seconds: u64, reply: Reply) -> Event {
    let took = Duration::ZERO;
    event(seconds, What::Submitted { reply, until: at(UNTIL), took, callback: false })
}

fn accepted(seconds: u64) -> Event {
    submitted(seconds, Reply::Accepted { id: "job_1".to_owned() })
}

fn called(seconds: u64, given: bool) -> Event {
    event(seconds, What::Called { given })
}

fn read(seconds: u64, seen: Seen) -> Event {
    event(seconds, What::Read(seen))
}

fn failed(code: &str) -> Seen {
    Seen::Failed(code.to_owned())
}

const SUCCEEDED: Seen = Seen::Succeeded { own: true };

fn found(events: &[Event]) -> Vec<Breach> {
    breaches(events, &End { drained_at: Some(at(50)), ..End::default() })
}

fn code() -> String {
    CODE.to_owned()
}

#[test]
fn legal_history_has_no_breaches() {
    let unconfirmed = Reply::Unconfirmed;
    let refused = Reply::Refused { status: 503 };
    for history in [
        vec![accepted(0), called(1, true), read(2, Seen::Queued), read(3, SUCCEEDED)],
        vec![submitted(0, refused.clone())],
        vec![submitted(0, unconfirmed.clone()), called(1, true)],
        vec![submitted(0, refused), submitted(1, unconfirmed), accepted(2), read(3, SUCCEEDED)],
        vec![accepted(0), read(1, failed("platform_unavailable")), read(2, SUCCEEDED)],
        vec![
            accepted(0),
            read(1, failed("code_already_used")),
            read(2, failed("session_lost")),
            read(3, SUCCEEDED),
            read(4, Seen::Erased),
        ],
        // Too late for the drain to have anything to do with it.
        vec![accepted(0), read(55, Seen::Queued), read(70, failed("deadline_exceeded"))],
    ] {
        assert_eq!(breaches(&history, &End::default()), [], "{history:?}");
    }
}

#[test]
fn accepted_job_without_a_result_is_a_breach() {
    let events = [accepted(0), read(1, Seen::Queued)];
    for events in [&events[..], &events[..1]] {
        assert_eq!(breaches(events, &End::default()), [Breach::Lost { code: code() }]);
    }
}

#[test]
fn ack_before_answer_is_a_breach() {
    // The poll URL answers in the end, but no worker kept the job until then.
    let events = [accepted(0), read(51, Seen::Queued)];
    assert_eq!(
        found(&events),
        [Breach::Lost { code: code() }, Breach::AckedWithoutAnswer { code: code() }]
    );
    let unread = [accepted(0), read(1, SUCCEEDED)];
    assert_eq!(
        found(&unread),
        [Breach::AckedWithoutAnswer { code: code() }],
        "it was not read again"
    );
    let kept = [accepted(0), read(1, SUCCEEDED), read(51, SUCCEEDED)];
    assert_eq!(found(&kept), []);
}

#[test]
fn worse_answer_is_a_breach() {
    for (from, to) in [
        (SUCCEEDED, failed("session_lost")),
        (SUCCEEDED, Seen::Queued),
        (failed("session_lost"), Seen::Queued),
        (failed("session_lost"), failed("code_already_used")),
        (failed("deadline_exceeded"), failed("session_lost")),
        (Seen::Erased, SUCCEEDED),
    ] {
        let events = [accepted(0), read(1, from.clone()), read(2, to.clone())];
        let worsened = Breach::AnswerGotWorse {
            code: code(),
            from: format!("{from:?}"),
            to: format!("{to:?}"),
        };
        assert_eq!(breaches(&events, &End::default()), [worsened]);
    }
}

#[test]
fn wrong_phone_number_is_a_breach() {
    let events = [accepted(0), read(1, Seen::Succeeded { own: false })];
    assert_eq!(breaches(&events, &End::default()), [Breach::WrongPhone { code: code() }]);
}

#[test]
fn two_jobs_of_one_submission_are_a_breach() {
    let other = submitted(1, Reply::Accepted { id: "job_2".to_owned() });
    let events = [accepted(0), other, read(2, SUCCEEDED)];
    assert_eq!(breaches(&events, &End::default()), [Breach::TwoJobs { code: code() }]);
}

#[test]
fn call_after_the_deadline_is_a_breach() {
    let late = |by: Duration| {
        let call = Event { at: at(UNTIL) + by, ..called(0, true) };
        breaches(&[accepted(0), call, read(80, SUCCEEDED)], &End::default())
    };
    assert_eq!(late(LATE_MAX), []);
    let by = LATE_MAX + Duration::from_millis(1);
    assert_eq!(late(by), [Breach::LateCall { code: code(), by }]);
}

#[test]
fn call_for_a_refused_submission_is_a_breach() {
    let refused = submitted(0, Reply::Refused { status: 503 });
    let breach = [Breach::UnexpectedCall { code: code() }];
    assert_eq!(found(&[refused, called(1, true)]), breach);
    assert_eq!(found(&[called(1, false)]), breach);
}

#[test]
fn session_given_twice_is_a_breach() {
    let events = [accepted(0), called(1, true), called(2, true), read(3, SUCCEEDED)];
    let end = End { repeats_counted: 1, ..End::default() };
    assert_eq!(breaches(&events, &end), [Breach::SessionGivenTwice { code: code() }]);
}

#[test]
fn uncounted_call_is_a_breach() {
    let events = [accepted(0), called(1, false), called(2, true), read(3, SUCCEEDED)];
    let breach = Breach::UncountedRepeats { repeats: 1, counted: 0 };
    assert_eq!(breaches(&events, &End::default()), [breach]);
    let end = End { repeats_counted: 1, ..End::default() };
    assert_eq!(breaches(&events, &end), []);
}
