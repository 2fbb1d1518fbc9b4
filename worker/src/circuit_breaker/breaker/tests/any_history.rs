//! What holds whatever happens, in whatever order.

use proptest::prelude::*;

use super::*;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Ask,
    /// The call at this index of those under way ends with this result; `None`: it is cancelled.
    End(prop::sample::Index, Option<CallResult>),
    Advance(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let result = prop_oneof![
        2 => Just(Some(CallResult::Answered)),
        12 => Just(Some(CallResult::Failed)),
        3 => (0_usize..6).prop_map(|number| Some(CallResult::OverMinuteQuota(job(number)))),
        1 => Just(Some(CallResult::OverDayQuota)),
        2 => Just(None),
    ];
    let event = prop_oneof![
        4 => Just(Event::Ask),
        4 => (any::<prop::sample::Index>(), result).prop_map(|(at, result)| Event::End(at, result)),
        2 => (0_u64..400).prop_map(|ms| Event::Advance(Duration::from_millis(ms))),
        1 => (0_u64..90_000).prop_map(|ms| Event::Advance(Duration::from_millis(ms))),
    ];
    prop::collection::vec(event, 1..300)
}

/// Returns the longest pause that a job is given.
fn pause_max(cause: Cause) -> Duration {
    match cause {
        Cause::Down => DOWN_PAUSE_MAX,
        Cause::MinuteQuota => Duration::from_secs(63),
        Cause::DayQuota => DAY_QUOTA_PAUSE_MAX,
    }
}

fn cancel(breaker: &mut Breaker, probe: Option<Probe>) {
    if let Some(probe) = probe {
        breaker.cancel(probe);
    }
}

proptest! {
    #[test]
    fn it_never_has_two_probes_and_always_has_another(
        events in events(), chance in 0.0..1.0_f64,
    ) {
        let mut clocked = Clocked { chance, ..Clocked::new() };
        let mut calls: Vec<Option<Probe>> = Vec::new();
        for event in events {
            // Probes of a breaker that closed meanwhile are calls like others.
            let was_open = clocked.cause().is_some();
            match event {
                Event::Advance(time) => { clocked.advance(time); }
                Event::Ask => match clocked.admit() {
                    Admission::Call(probe) => {
                        prop_assert_eq!(probe.is_some(), clocked.cause().is_some());
                        prop_assert!(probe.is_none() || was_open);
                        prop_assert!(probe.is_none() || !calls.contains(&probe));
                        calls.push(probe);
                        if probe.is_some() {
                            let next = clocked.admit();
                            prop_assert!(!matches!(next, Admission::Call(_)), "two probes");
                        }
                    }
                    Admission::Wait { pause, cause } => {
                        prop_assert_eq!(clocked.cause(), Some(cause));
                        prop_assert!(cause != Cause::DayQuota);
                        prop_assert!(pause > Duration::ZERO && pause <= pause_max(cause));
                    }
                    Admission::GiveUp { cause } => prop_assert_eq!(cause, Cause::DayQuota),
                },
                Event::End(at, result) if !calls.is_empty() => {
                    let probe = calls.swap_remove(at.index(calls.len()));
                    let open_probe = clocked.breaker.open().and_then(|open| open.probe);
                    let is_probe = probe.is_some() && open_probe == probe;
                    match result {
                        Some(result) => clocked.record(probe, result),
                        None => cancel(&mut clocked.breaker, probe),
                    }
                    if is_probe && result == Some(CallResult::Answered) {
                        prop_assert_eq!(clocked.cause(), None, "a success closes");
                    }
                    if clocked.cause() == Some(Cause::Down) {
                        prop_assert!(result != Some(CallResult::Answered));
                    }
                }
                Event::End(..) => {}
            }
        }
        // Whatever has happened, once those under way have ended there may be a call.
        for probe in calls {
            cancel(&mut clocked.breaker, probe);
        }
        clocked.advance(DAY_QUOTA_PAUSE_MAX);
        let next = clocked.admit();
        prop_assert!(matches!(next, Admission::Call(_)), "{next:?}");
    }
}
