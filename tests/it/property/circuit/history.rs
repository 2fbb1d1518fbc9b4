//! What holds whatever happens, in whatever order.

use std::time::Duration;

use proptest::prelude::*;
use quhao_worker::circuit_breaker::{
    call_result::{Cause, Signal},
    state::{DAY_QUOTA_LONGEST, DOWN_LONGEST, Next, Ticket},
};

use super::{Bench, job};

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Ask,
    /// The call at this place of those under way ends so; `None`: without a word.
    End(prop::sample::Index, Option<Signal>),
    Time(Duration),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let signal = prop_oneof![
        2 => Just(Some(Signal::Answered)),
        12 => Just(Some(Signal::Failed)),
        3 => (0_usize..6).prop_map(|number| Some(Signal::OverMinute(job(number)))),
        1 => Just(Some(Signal::OverDay)),
        2 => Just(None),
    ];
    let event = prop_oneof![
        4 => Just(Event::Ask),
        4 => (any::<prop::sample::Index>(), signal).prop_map(|(at, told)| Event::End(at, told)),
        2 => (0_u64..400).prop_map(|ms| Event::Time(Duration::from_millis(ms))),
        1 => (0_u64..90_000).prop_map(|ms| Event::Time(Duration::from_millis(ms))),
    ];
    prop::collection::vec(event, 1..300)
}

/// The longest pause that a job is told.
fn pause_max(cause: Cause) -> Duration {
    match cause {
        Cause::Down => DOWN_LONGEST,
        Cause::MinuteQuota => Duration::from_secs(63),
        Cause::DayQuota => DAY_QUOTA_LONGEST,
    }
}

proptest! {
    #[test]
    fn it_never_has_two_probes_and_always_has_another(
        events in events(), chance in 0.0..1.0_f64,
    ) {
        let mut bench = Bench { chance, ..Bench::new() };
        let mut calls: Vec<Ticket> = Vec::new();
        for event in events {
            // Those of a circuit that closed meanwhile are calls like others.
            let was_open = bench.cause().is_some();
            match event {
                Event::Time(time) => { bench.after(time); }
                Event::Ask => match bench.next() {
                    Next::Call(ticket) => {
                        let open = bench.state.open();
                        prop_assert_eq!(ticket.is_probe(), open.is_some());
                        prop_assert!(!ticket.is_probe() || was_open);
                        prop_assert!(!calls.contains(&ticket) || !ticket.is_probe());
                        calls.push(ticket);
                        if ticket.is_probe() {
                            prop_assert!(!matches!(bench.next(), Next::Call(_)), "two probes");
                        }
                    }
                    Next::Wait(pause, cause) => {
                        prop_assert_eq!(bench.cause(), Some(cause));
                        prop_assert!(cause != Cause::DayQuota);
                        prop_assert!(pause > Duration::ZERO && pause <= pause_max(cause));
                    }
                    Next::DoWithout(cause) => prop_assert_eq!(cause, Cause::DayQuota),
                },
                Event::End(at, told) if !calls.is_empty() => {
                    let ticket = calls.swap_remove(at.index(calls.len()));
                    let probed = bench.state.open().is_some_and(|open| open.is_probe(ticket));
                    match told {
                        Some(signal) => bench.told(ticket, signal),
                        None => bench.state.gave_up(ticket),
                    }
                    if probed && told == Some(Signal::Answered) {
                        prop_assert_eq!(bench.cause(), None, "a success closes");
                    }
                    if bench.cause() == Some(Cause::Down) {
                        prop_assert!(told != Some(Signal::Answered));
                    }
                }
                Event::End(..) => {}
            }
        }
        // Whatever has happened, once those under way have ended somebody may call.
        for ticket in calls {
            bench.state.gave_up(ticket);
        }
        bench.after(DAY_QUOTA_LONGEST);
        let next = bench.next();
        prop_assert!(matches!(next, Next::Call(_)), "{next:?}");
    }
}
