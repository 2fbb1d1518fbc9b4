//! The rules about callbacks.

use std::time::Duration;

use quhao_tests::history::{
    End, Event, Reply, Seen, What,
    rules::{Breach, ON_THE_WAY_MAX, TOLERANCE, breaches},
    word::Word,
};

use super::{SUCCEEDED, at, called, code, event, failed, read, submitted};

fn wanted(mut submitted: Event) -> Event {
    if let What::Submitted { callback, .. } = &mut submitted.what {
        *callback = true;
    }
    submitted
}

fn accepted(seconds: u64) -> Event {
    wanted(super::accepted(seconds))
}

fn told_under(under: &str, seconds: u64, seen: Seen) -> Event {
    let body = format!("{under} {seen:?}");
    let word = Word { under: under.to_owned(), signed_at: at(seconds), seen, body };
    event(seconds, What::FinishedJobs(word))
}

fn told(seconds: u64, seen: Seen) -> Event {
    let final_state = if matches!(seen, Seen::Failed(_)) { "failed" } else { "succeeded" };
    told_under(&format!("job_1_{final_state}"), seconds, seen)
}

fn found(events: &[Event]) -> Vec<Breach> {
    breaches(events, &End::default())
}

#[test]
fn what_is_allowed_passes() {
    let unavailable = || failed("platform_unavailable");
    let used = || failed("code_already_used");
    let lost = || failed("session_lost");
    for history in [
        vec![accepted(0), told(1, SUCCEEDED), read(2, SUCCEEDED), told(3, SUCCEEDED)],
        vec![accepted(0), read(1, lost()), told(2, lost())],
        // Nobody happened to look while it was a failure.
        vec![accepted(0), told(1, unavailable()), read(2, SUCCEEDED), told(3, SUCCEEDED)],
        // Word of the failure was on its way already.
        vec![accepted(0), read(1, SUCCEEDED), told(2, SUCCEEDED), told(3, unavailable())],
        vec![accepted(0), read(1, used()), told(2, used()), read(3, lost()), told(4, lost())],
        vec![accepted(0), read(1, SUCCEEDED), read(2, Seen::Erased)],
        vec![accepted(0), told(1, SUCCEEDED), read(2, SUCCEEDED), read(3, Seen::Erased)],
        // It may have been a job, whose id nobody knows.
        vec![wanted(submitted(0, Reply::Unconfirmed)), told(1, SUCCEEDED)],
        vec![super::accepted(0), read(1, SUCCEEDED)],
    ] {
        assert_eq!(found(&history), [], "{history:?}");
    }
}

#[test]
fn an_end_of_which_no_callback_tells_is_found() {
    let untold = |final_state: &str| Breach::Untold {
        code: code(),
        missing: format!("job_1_{final_state}"),
    };
    let silence = [accepted(0), read(1, SUCCEEDED)];
    assert_eq!(found(&silence), [untold("succeeded")]);
    let expired = [accepted(0), read(70, failed("deadline_exceeded"))];
    assert_eq!(found(&expired), [untold("failed")], "nothing ever processed it");
    // Word of the failure that came before is not enough.
    let unavailable = || failed("platform_unavailable");
    let half = [accepted(0), read(1, unavailable()), told(2, unavailable()), read(3, SUCCEEDED)];
    assert_eq!(found(&half), [untold("succeeded")]);
}

#[test]
fn of_what_waited_in_a_queue_that_was_deleted_nobody_can_tell() {
    let untold = [Breach::Untold { code: code(), missing: "job_1_failed".to_owned() }];
    let end = End { queue_deleted_at: Some(at(10)), ..End::default() };
    let expired = || read(70, failed("deadline_exceeded"));
    assert_eq!(breaches(&[accepted(9), expired()], &end), []);
    // It came later, or a worker had it, or it ended otherwise.
    for history in [
        vec![accepted(11), expired()],
        vec![accepted(9), called(9, false), expired()],
        vec![accepted(9), read(12, failed("platform_unavailable"))],
    ] {
        let mut end_of_calls = end.clone();
        end_of_calls.repeats_counted = 1;
        assert_eq!(breaches(&history, &end_of_calls), untold, "{history:?}");
    }
}

#[test]
fn a_callback_that_tells_what_never_was_is_found() {
    for (told_as, answer) in [
        (SUCCEEDED, failed("session_lost")),
        (failed("session_lost"), failed("code_already_used")),
        (failed("code_invalid"), failed("deadline_exceeded")),
    ] {
        let right = told(3, answer.clone());
        let events = [accepted(0), told(1, told_as.clone()), read(2, answer.clone()), right];
        let untrue = Breach::Untrue {
            code: code(),
            told: format!("{told_as:?}"),
            answer: format!("{answer:?}"),
        };
        assert!(found(&events).contains(&untrue), "{events:?}");
    }
    // Before anybody else can know of it.
    let events = [accepted(0), told(1, SUCCEEDED), read(2, Seen::Queued)];
    let untrue = Breach::Untrue {
        code: code(),
        told: format!("{SUCCEEDED:?}"),
        answer: format!("{:?}", Seen::Queued),
    };
    assert!(found(&events).contains(&untrue));
}

#[test]
fn somebody_elses_number_in_a_callback_is_found() {
    let events = [accepted(0), read(1, SUCCEEDED), told(2, Seen::Succeeded { own: false })];
    assert_eq!(found(&events), [Breach::Mixed { code: code() }]);
}

#[test]
fn word_of_a_failure_after_a_success_is_found() {
    let unavailable = || failed("platform_unavailable");
    let outdated = [Breach::Outdated { code: code(), under: "job_1_failed".to_owned() }];
    let late = |by: Duration| {
        let late = Event { at: at(3) + ON_THE_WAY_MAX + by, ..told(0, unavailable()) };
        found(&[accepted(0), read(1, unavailable()), read(3, SUCCEEDED), told(4, SUCCEEDED), late])
    };
    assert_eq!(late(Duration::ZERO), []);
    assert_eq!(late(Duration::from_millis(1)), outdated);
    // The receiver had heard of the success, though no client had asked.
    let events = [accepted(0), told(1, SUCCEEDED), told(20, unavailable()), read(30, SUCCEEDED)];
    assert_eq!(found(&events), outdated);
}

#[test]
fn two_words_under_one_webhook_id_are_found() {
    let reworded = |final_state: &str| {
        [Breach::Reworded { code: code(), under: format!("job_1_{final_state}") }]
    };
    let mut other = told(3, SUCCEEDED);
    if let What::FinishedJobs(word) = &mut other.what {
        word.body.push_str(" and more");
    }
    let events = [accepted(0), read(1, SUCCEEDED), told(2, SUCCEEDED), other];
    assert_eq!(found(&events), reworded("succeeded"));
    let back = [failed("session_lost"), failed("code_already_used"), failed("session_lost")];
    let mut events = vec![accepted(0), read(1, failed("session_lost"))];
    events.extend((2..).zip(back).map(|(seconds, seen)| told(seconds, seen)));
    assert_eq!(found(&events), reworded("failed"));
}

#[test]
fn a_callback_that_seems_old_or_early_is_found() {
    let off_by = |by: Duration, ahead: bool| {
        let mut word = told(2, SUCCEEDED);
        if let What::FinishedJobs(word) = &mut word.what {
            word.signed_at = if ahead { at(2) + by } else { at(2) - by };
        }
        found(&[accepted(0), read(1, SUCCEEDED), word])
    };
    let mistimed = [Breach::Mistimed { code: code(), under: "job_1_succeeded".to_owned() }];
    for ahead in [true, false] {
        assert_eq!(off_by(TOLERANCE, ahead), []);
        assert_eq!(off_by(TOLERANCE + Duration::from_secs(1), ahead), mistimed);
    }
}

#[test]
fn a_callback_that_nobody_asked_for_is_found() {
    let unasked = |under: &str| Breach::Unasked { code: code(), under: under.to_owned() };
    let refused = wanted(submitted(0, Reply::Refused { status: 503 }));
    let stray = || told(2, SUCCEEDED);
    for history in [
        vec![super::accepted(0), read(1, SUCCEEDED), stray()],
        vec![refused, stray()],
        vec![stray()],
    ] {
        assert_eq!(found(&history), [unasked("job_1_succeeded")], "{history:?}");
    }
    // Under another job's id, or an end that says something else.
    for under in ["job_2_succeeded", "job_1_failed", "job_1"] {
        let wrong = told_under(under, 3, SUCCEEDED);
        let events = [accepted(0), read(1, SUCCEEDED), told(2, SUCCEEDED), wrong];
        assert_eq!(found(&events), [unasked(under)], "{under}");
    }
}
