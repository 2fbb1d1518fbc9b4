//! The rules about callbacks.

use std::time::Duration;

use quhao_tests::history::{
    End, Event, Reply, Seen, WebhookEvent, What,
    rules::{Breach, ON_THE_WAY_MAX, TOLERANCE, breaches},
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

fn notified_as(webhook_id: &str, seconds: u64, seen: Seen) -> Event {
    let body = format!("{webhook_id} {seen:?}");
    let webhook =
        WebhookEvent { webhook_id: webhook_id.to_owned(), signed_at: at(seconds), seen, body };
    event(seconds, What::Notified(webhook))
}

fn notified(seconds: u64, seen: Seen) -> Event {
    let suffix = if matches!(seen, Seen::Failed(_)) { "failed" } else { "succeeded" };
    notified_as(&format!("job_1_{suffix}"), seconds, seen)
}

fn found(events: &[Event]) -> Vec<Breach> {
    breaches(events, &End::default())
}

#[test]
fn legal_history_has_no_breaches() {
    let unavailable = || failed("platform_unavailable");
    let used = || failed("code_already_used");
    let lost = || failed("session_lost");
    for history in [
        vec![accepted(0), notified(1, SUCCEEDED), read(2, SUCCEEDED), notified(3, SUCCEEDED)],
        vec![accepted(0), read(1, lost()), notified(2, lost())],
        // Nobody happened to look while it was a failure.
        vec![accepted(0), notified(1, unavailable()), read(2, SUCCEEDED), notified(3, SUCCEEDED)],
        // The callback of the failure was on its way already.
        vec![accepted(0), read(1, SUCCEEDED), notified(2, SUCCEEDED), notified(3, unavailable())],
        vec![
            accepted(0),
            read(1, used()),
            notified(2, used()),
            read(3, lost()),
            notified(4, lost()),
        ],
        vec![accepted(0), read(1, SUCCEEDED), read(2, Seen::Erased)],
        vec![accepted(0), notified(1, SUCCEEDED), read(2, SUCCEEDED), read(3, Seen::Erased)],
        // It may have been a job, whose id is unknown.
        vec![wanted(submitted(0, Reply::Unconfirmed)), notified(1, SUCCEEDED)],
        vec![super::accepted(0), read(1, SUCCEEDED)],
    ] {
        assert_eq!(found(&history), [], "{history:?}");
    }
}

#[test]
fn missing_callback_is_a_breach() {
    let missing =
        |suffix: &str| Breach::CallbackMissing { code: code(), missing: format!("job_1_{suffix}") };
    let silence = [accepted(0), read(1, SUCCEEDED)];
    assert_eq!(found(&silence), [missing("succeeded")]);
    let expired = [accepted(0), read(70, failed("deadline_exceeded"))];
    assert_eq!(found(&expired), [missing("failed")], "nothing ever processed it");
    // The callback of the earlier failure is not enough.
    let unavailable = || failed("platform_unavailable");
    let half =
        [accepted(0), read(1, unavailable()), notified(2, unavailable()), read(3, SUCCEEDED)];
    assert_eq!(found(&half), [missing("succeeded")]);
}

#[test]
fn job_of_a_deleted_queue_needs_no_callback() {
    let missing = [Breach::CallbackMissing { code: code(), missing: "job_1_failed".to_owned() }];
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
        assert_eq!(breaches(&history, &end_of_calls), missing, "{history:?}");
    }
}

#[test]
fn callback_with_a_wrong_answer_is_a_breach() {
    for (reported, answer) in [
        (SUCCEEDED, failed("session_lost")),
        (failed("session_lost"), failed("code_already_used")),
        (failed("code_invalid"), failed("deadline_exceeded")),
    ] {
        let right = notified(3, answer.clone());
        let events = [accepted(0), notified(1, reported.clone()), read(2, answer.clone()), right];
        let wrong_answer = Breach::CallbackWrong {
            code: code(),
            reported: format!("{reported:?}"),
            answer: format!("{answer:?}"),
        };
        assert!(found(&events).contains(&wrong_answer), "{events:?}");
    }
    // Before anybody else can know of it.
    let events = [accepted(0), notified(1, SUCCEEDED), read(2, Seen::Queued)];
    let wrong_answer = Breach::CallbackWrong {
        code: code(),
        reported: format!("{SUCCEEDED:?}"),
        answer: format!("{:?}", Seen::Queued),
    };
    assert!(found(&events).contains(&wrong_answer));
}

#[test]
fn callback_with_a_wrong_number_is_a_breach() {
    let events = [accepted(0), read(1, SUCCEEDED), notified(2, Seen::Succeeded { own: false })];
    assert_eq!(found(&events), [Breach::WrongPhone { code: code() }]);
}

#[test]
fn callback_of_a_failure_after_success_is_a_breach() {
    let unavailable = || failed("platform_unavailable");
    let outdated =
        [Breach::CallbackOutdated { code: code(), webhook_id: "job_1_failed".to_owned() }];
    let late = |by: Duration| {
        let late = Event { at: at(3) + ON_THE_WAY_MAX + by, ..notified(0, unavailable()) };
        found(&[
            accepted(0),
            read(1, unavailable()),
            read(3, SUCCEEDED),
            notified(4, SUCCEEDED),
            late,
        ])
    };
    assert_eq!(late(Duration::ZERO), []);
    assert_eq!(late(Duration::from_millis(1)), outdated);
    // The receiver had heard of the success, though no client had asked.
    let events =
        [accepted(0), notified(1, SUCCEEDED), notified(20, unavailable()), read(30, SUCCEEDED)];
    assert_eq!(found(&events), outdated);
}

#[test]
fn two_bodies_under_one_webhook_id_are_a_breach() {
    let changed = |suffix: &str| {
        [Breach::CallbackChanged { code: code(), webhook_id: format!("job_1_{suffix}") }]
    };
    let mut other = notified(3, SUCCEEDED);
    if let What::Notified(event) = &mut other.what {
        event.body.push_str(" and more");
    }
    let events = [accepted(0), read(1, SUCCEEDED), notified(2, SUCCEEDED), other];
    assert_eq!(found(&events), changed("succeeded"));
    let back = [failed("session_lost"), failed("code_already_used"), failed("session_lost")];
    let mut events = vec![accepted(0), read(1, failed("session_lost"))];
    events.extend((2..).zip(back).map(|(seconds, seen)| notified(seconds, seen)));
    assert_eq!(found(&events), changed("failed"));
}

#[test]
fn callback_with_a_wrong_time_is_a_breach() {
    let off_by = |by: Duration, ahead: bool| {
        let mut webhook = notified(2, SUCCEEDED);
        if let What::Notified(event) = &mut webhook.what {
            event.signed_at = if ahead { at(2) + by } else { at(2) - by };
        }
        found(&[accepted(0), read(1, SUCCEEDED), webhook])
    };
    let mistimed =
        [Breach::CallbackMistimed { code: code(), webhook_id: "job_1_succeeded".to_owned() }];
    for ahead in [true, false] {
        assert_eq!(off_by(TOLERANCE, ahead), []);
        assert_eq!(off_by(TOLERANCE + Duration::from_secs(1), ahead), mistimed);
    }
}

#[test]
fn unwanted_callback_is_a_breach() {
    let unexpected = |webhook_id: &str| Breach::CallbackUnexpected {
        code: code(),
        webhook_id: webhook_id.to_owned(),
    };
    let refused = wanted(submitted(0, Reply::Refused { status: 503 }));
    let stray = || notified(2, SUCCEEDED);
    for history in [
        vec![super::accepted(0), read(1, SUCCEEDED), stray()],
        vec![refused, stray()],
        vec![stray()],
    ] {
        assert_eq!(found(&history), [unexpected("job_1_succeeded")], "{history:?}");
    }
    // Under another job's id, or an end that says something else.
    for webhook_id in ["job_2_succeeded", "job_1_failed", "job_1"] {
        let wrong = notified_as(webhook_id, 3, SUCCEEDED);
        let events = [accepted(0), read(1, SUCCEEDED), notified(2, SUCCEEDED), wrong];
        assert_eq!(found(&events), [unexpected(webhook_id)], "{webhook_id}");
    }
}
