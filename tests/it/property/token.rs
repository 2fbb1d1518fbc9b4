//! When a token is fetched, used, renewed and dropped, whatever happens in between.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use quhao_common::domain::failure::FailureCode;
use quhao_worker::platform::{
    ExchangeError, Trouble,
    wechat::token::{
        Fetched, Token,
        state::{FETCH_INTERVAL_MIN, Next, Plan, State},
    },
};

const HOURS_2: Duration = Duration::from_hours(2);

fn given(life: Duration) -> Fetched {
    Fetched { text: "token".to_owned().into(), life }
}

fn no_token() -> ExchangeError {
    Trouble::NoCredential.into()
}

fn failed(state: &mut State, error: ExchangeError, now: Instant) {
    state.failed(error, now, Duration::from_secs(50), 1.0);
}

/// A state with a token that was fetched at `now`.
fn with_token(now: Instant, life: Duration) -> State {
    let mut state = State::default();
    assert!(matches!(state.next(now), Next::Fetch(_)));
    state.fetched(given(life), now, 0.5);
    state
}

#[test]
fn all_wait_for_the_first_fetch_and_use_what_it_gives() {
    let (mut state, now) = (State::default(), Instant::now());
    assert_eq!(state.next(now), Next::Fetch(Plan { after: Duration::ZERO, calls_max: 3 }));
    assert_eq!(state.next(now), Next::Wait);
    assert!(state.token(now).is_none());
    state.fetched(given(HOURS_2), now, 0.5);
    assert_eq!(state.next(now), Next::Use);
    assert!(state.token(now).is_some());
}

#[test]
fn it_is_renewed_once_in_its_last_minutes_and_used_meanwhile() {
    let now = Instant::now();
    let mut state = with_token(now, HOURS_2);
    let five_before = now + HOURS_2.saturating_sub(Duration::from_mins(5));
    assert_eq!(state.next(five_before), Next::Use, "the platform would give the same one");
    let two_before = now + HOURS_2.saturating_sub(Duration::from_mins(2));
    assert!(matches!(state.next(two_before), Next::Renew(_)));
    assert_eq!(state.next(two_before), Next::Use);
    // A renewal that fails leaves the old one in use, and is tried again.
    failed(&mut state, no_token(), two_before);
    assert_eq!(state.next(two_before), Next::Use);
    let later = two_before + Duration::from_secs(1);
    assert!(matches!(state.next(later), Next::Renew(_)));
    // Past its end it is used no more.
    failed(&mut state, no_token(), later);
    assert!(state.token(now + HOURS_2).is_none());
    assert!(matches!(state.next(now + HOURS_2), Next::Fetch(_)));
}

#[test]
fn a_short_life_is_renewed_in_its_last_quarter() {
    let now = Instant::now();
    for life in [Duration::from_secs(4), Duration::from_mins(1), Duration::from_mins(10)] {
        let mut state = with_token(now, life);
        assert_eq!(state.next(now + life * 3 / 4), Next::Use, "{life:?}");
        assert!(matches!(state.next(now + life * 9 / 10), Next::Renew(_)), "{life:?}");
    }
}

#[test]
fn during_an_outage_one_tries_and_the_others_do_without() {
    let (mut state, now) = (State::default(), Instant::now());
    assert!(matches!(state.next(now), Next::Fetch(_)));
    failed(&mut state, no_token(), now);
    assert_eq!(state.next(now), Next::DoWithout(no_token()));
    let later = now + Duration::from_secs(5);
    let Next::Fetch(plan) = state.next(later) else { panic!("nobody tries") };
    assert_eq!(plan.calls_max, 1, "a blip is over by now");
    assert_eq!(state.next(later), Next::DoWithout(no_token()));
    state.fetched(given(HOURS_2), later, 0.5);
    assert_eq!(state.next(later), Next::Use);
}

#[test]
fn what_kept_the_last_fetch_from_it_is_what_jobs_are_told() {
    let now = Instant::now();
    for (trouble, pause) in [
        (Trouble::Final(FailureCode::AppMisconfigured), 1),
        (Trouble::MinuteQuota, 10), // fifty seconds of the minute are over
    ] {
        let mut state = State::default();
        assert!(matches!(state.next(now), Next::Fetch(_)));
        failed(&mut state, trouble.into(), now);
        let just_before = now + Duration::from_millis(pause * 1000 - 1);
        assert_eq!(state.next(just_before), Next::DoWithout(trouble.into()));
        assert!(matches!(state.next(now + Duration::from_secs(pause)), Next::Fetch(_)));
    }
}

#[test]
fn a_refused_token_is_dropped_only_if_it_is_still_the_one() {
    let now = Instant::now();
    let mut state = with_token(now, HOURS_2);
    let first = state.token(now).unwrap();
    state.refused(&first);
    assert!(state.token(now).is_none());
    let Next::Fetch(plan) = state.next(now) else { panic!("it is fetched anew") };
    assert_eq!(plan.after, FETCH_INTERVAL_MIN, "it was fetched just now");
    let later = now + plan.after;
    // The same text again is another token.
    state.fetched(given(HOURS_2), later, 0.5);
    state.refused(&first);
    assert_eq!(state.next(later), Next::Use);
}

#[derive(Debug, Clone)]
enum Event {
    Need,
    Give(u64),
    Fail(Trouble),
    /// The platform refuses the token that this caller took last.
    Refuse,
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        4 => Just(Event::Need),
        2 => (0_u64..8000).prop_map(Event::Give),
        1 => Just(Event::Fail(Trouble::NoCredential)),
        1 => Just(Event::Fail(Trouble::MinuteQuota)),
        1 => Just(Event::Fail(Trouble::Final(FailureCode::AppMisconfigured))),
        1 => Just(Event::Refuse),
        2 => (0_u64..10_000_000).prop_map(Event::Pass),
        2 => (0_u64..1000).prop_map(Event::Pass),
    ];
    prop::collection::vec(one, 1..80)
}

proptest! {
    #[test]
    fn one_fetch_at_a_time_and_never_a_refused_token(
        events in events(), chance in 0.0..1.0_f64,
    ) {
        let (mut state, mut now) = (State::default(), Instant::now());
        let (mut fetching, mut began) = (false, None::<Instant>);
        let (mut taken, mut refused) = (None::<Token>, None::<Token>);
        for event in events {
            match event {
                Event::Need => {
                    let next = state.next(now);
                    if let Next::Fetch(plan) | Next::Renew(plan) = next {
                        prop_assert!(!fetching, "two fetches at a time");
                        let begins = now + plan.after;
                        prop_assert!(began.is_none_or(|last| begins >= last + FETCH_INTERVAL_MIN));
                        (fetching, began) = (true, Some(begins));
                    }
                    let is_there = matches!(next, Next::Use | Next::Renew(_));
                    prop_assert_eq!(state.token(now).is_some(), is_there);
                    prop_assert!(next != Next::Wait || fetching, "nothing to wait for");
                    taken = state.token(now).or(taken);
                }
                Event::Give(seconds) if fetching => {
                    now = now.max(began.unwrap());
                    state.fetched(given(Duration::from_secs(seconds)), now, chance);
                    (fetching, refused) = (false, None);
                }
                Event::Fail(trouble) if fetching => {
                    now = now.max(began.unwrap());
                    state.failed(trouble.into(), now, Duration::ZERO, chance);
                    fetching = false;
                }
                Event::Refuse => {
                    if let Some(token) = taken.take() {
                        state.refused(&token);
                        refused = Some(token);
                    }
                }
                Event::Pass(ms) => now += Duration::from_millis(ms),
                Event::Give(_) | Event::Fail(_) => {}
            }
            if let (Some(held), Some(refused)) = (state.token(now), &refused) {
                prop_assert_ne!(format!("{held:?}"), format!("{refused:?}"));
            }
        }
    }
}
