//! Tokens are fetched, used, renewed and dropped in time, whatever happens in between.

use proptest::prelude::*;
use quhao_common::domain::failure::FailureCode;

use super::*;

const HOURS_2: Duration = Duration::from_hours(2);

fn fetched(lifetime: Duration) -> FetchedToken {
    FetchedToken { text: "token".to_owned().into(), lifetime }
}

fn no_token() -> PlatformError {
    CallFailure::NoCredential.into()
}

fn fail(lifecycle: &mut Lifecycle, error: PlatformError, now: Instant) {
    let input = FailureInput { now, into_minute: Duration::from_secs(50), chance: 1.0 };
    lifecycle.failed(error, input);
}

/// A lifecycle with a token that was fetched at `now`.
fn with_token(now: Instant, life: Duration) -> Lifecycle {
    let mut lifecycle = Lifecycle::default();
    assert!(matches!(lifecycle.next(now), TokenAction::Fetch(_)));
    lifecycle.fetched(fetched(life), now, 0.5);
    lifecycle
}

#[test]
fn all_wait_for_the_first_fetch() {
    let mut lifecycle = Lifecycle::default();
    let now = Instant::now();
    assert_eq!(
        lifecycle.next(now),
        TokenAction::Fetch(FetchPlan { after: Duration::ZERO, calls_max: 3 })
    );
    assert_eq!(lifecycle.next(now), TokenAction::Wait);
    assert!(lifecycle.token(now).is_none());
    lifecycle.fetched(fetched(HOURS_2), now, 0.5);
    assert_eq!(lifecycle.next(now), TokenAction::Use);
    assert!(lifecycle.token(now).is_some());
}

#[test]
fn a_token_is_renewed_in_its_last_minutes() {
    let now = Instant::now();
    let mut lifecycle = with_token(now, HOURS_2);
    let five_before = now + HOURS_2.saturating_sub(Duration::from_mins(5));
    assert_eq!(
        lifecycle.next(five_before),
        TokenAction::Use,
        "the platform would give the same one"
    );
    let two_before = now + HOURS_2.saturating_sub(Duration::from_mins(2));
    assert!(matches!(lifecycle.next(two_before), TokenAction::Renew(_)));
    assert_eq!(lifecycle.next(two_before), TokenAction::Use);
    // A renewal that fails leaves the old one in use, and is tried again.
    fail(&mut lifecycle, no_token(), two_before);
    assert_eq!(lifecycle.next(two_before), TokenAction::Use);
    let later = two_before + Duration::from_secs(1);
    assert!(matches!(lifecycle.next(later), TokenAction::Renew(_)));
    // Past its end it is used no more.
    fail(&mut lifecycle, no_token(), later);
    assert!(lifecycle.token(now + HOURS_2).is_none());
    assert!(matches!(lifecycle.next(now + HOURS_2), TokenAction::Fetch(_)));
}

#[test]
fn a_short_lived_token_is_renewed_in_its_last_quarter() {
    let now = Instant::now();
    for life in [Duration::from_secs(4), Duration::from_mins(1), Duration::from_mins(10)] {
        let mut lifecycle = with_token(now, life);
        assert_eq!(lifecycle.next(now + life * 3 / 4), TokenAction::Use, "{life:?}");
        assert!(matches!(lifecycle.next(now + life * 9 / 10), TokenAction::Renew(_)), "{life:?}");
    }
}

#[test]
fn during_an_outage_only_one_caller_tries() {
    let mut lifecycle = Lifecycle::default();
    let now = Instant::now();
    assert!(matches!(lifecycle.next(now), TokenAction::Fetch(_)));
    fail(&mut lifecycle, no_token(), now);
    assert_eq!(lifecycle.next(now), TokenAction::GiveUp(no_token()));
    let later = now + Duration::from_secs(5);
    let TokenAction::Fetch(plan) = lifecycle.next(later) else { panic!("nobody tries") };
    assert_eq!(plan.calls_max, 1, "a blip is over by now");
    assert_eq!(lifecycle.next(later), TokenAction::GiveUp(no_token()));
    lifecycle.fetched(fetched(HOURS_2), later, 0.5);
    assert_eq!(lifecycle.next(later), TokenAction::Use);
}

#[test]
fn jobs_get_the_error_of_the_last_fetch() {
    let now = Instant::now();
    for (failure, pause) in [
        (CallFailure::Final(FailureCode::AppMisconfigured), 1),
        (CallFailure::MinuteQuota, 10), // fifty seconds of the minute are over
    ] {
        let mut lifecycle = Lifecycle::default();
        assert!(matches!(lifecycle.next(now), TokenAction::Fetch(_)));
        fail(&mut lifecycle, failure.into(), now);
        let just_before = now + Duration::from_millis(pause * 1000 - 1);
        assert_eq!(lifecycle.next(just_before), TokenAction::GiveUp(failure.into()));
        assert!(matches!(lifecycle.next(now + Duration::from_secs(pause)), TokenAction::Fetch(_)));
    }
}

#[test]
fn a_refused_token_is_dropped_unless_replaced() {
    let now = Instant::now();
    let mut lifecycle = with_token(now, HOURS_2);
    let first = lifecycle.token(now).unwrap();
    lifecycle.refused(&first);
    assert!(lifecycle.token(now).is_none());
    let TokenAction::Fetch(plan) = lifecycle.next(now) else { panic!("it is fetched anew") };
    assert_eq!(plan.after, FETCH_INTERVAL_MIN, "it was fetched just now");
    let later = now + plan.after;
    // The same text again is another token.
    lifecycle.fetched(fetched(HOURS_2), later, 0.5);
    lifecycle.refused(&first);
    assert_eq!(lifecycle.next(later), TokenAction::Use);
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    /// A caller needs the token.
    Need,
    /// The fetch under way returns a token with a lifetime in seconds.
    Fetched(u64),
    /// The fetch under way fails.
    Failed(CallFailure),
    /// The platform refuses the token that was used last.
    Refuse,
    /// Time passes, in milliseconds.
    Advance(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        4 => Just(Event::Need),
        2 => (0_u64..8000).prop_map(Event::Fetched),
        1 => Just(Event::Failed(CallFailure::NoCredential)),
        1 => Just(Event::Failed(CallFailure::MinuteQuota)),
        1 => Just(Event::Failed(CallFailure::Final(FailureCode::AppMisconfigured))),
        1 => Just(Event::Refuse),
        2 => (0_u64..10_000_000).prop_map(Event::Advance),
        2 => (0_u64..1000).prop_map(Event::Advance),
    ];
    prop::collection::vec(one, 1..80)
}

proptest! {
    #[test]
    fn one_fetch_at_a_time_and_never_a_refused_token(
        events in events(), chance in 0.0..1.0_f64,
    ) {
        let mut lifecycle = Lifecycle::default();
        let mut now = Instant::now();
        let mut is_fetching = false;
        let mut began = None::<Instant>;
        let mut in_use = None::<Token>;
        let mut refused = None::<Token>;
        for event in events {
            match event {
                Event::Need => {
                    let next = lifecycle.next(now);
                    if let TokenAction::Fetch(plan) | TokenAction::Renew(plan) = next {
                        prop_assert!(!is_fetching, "two fetches at a time");
                        let begins = now + plan.after;
                        prop_assert!(began.is_none_or(|last| begins >= last + FETCH_INTERVAL_MIN));
                        is_fetching = true;
                        began = Some(begins);
                    }
                    let is_there = matches!(next, TokenAction::Use | TokenAction::Renew(_));
                    prop_assert_eq!(lifecycle.token(now).is_some(), is_there);
                    prop_assert!(next != TokenAction::Wait || is_fetching, "nothing to wait for");
                    in_use = lifecycle.token(now).or(in_use);
                }
                Event::Fetched(seconds) if is_fetching => {
                    now = now.max(began.unwrap());
                    lifecycle.fetched(fetched(Duration::from_secs(seconds)), now, chance);
                    is_fetching = false;
                    refused = None;
                }
                Event::Failed(failure) if is_fetching => {
                    now = now.max(began.unwrap());
                    let input = FailureInput { now, into_minute: Duration::ZERO, chance };
                    lifecycle.failed(failure.into(), input);
                    is_fetching = false;
                }
                Event::Refuse => {
                    if let Some(token) = in_use.take() {
                        lifecycle.refused(&token);
                        refused = Some(token);
                    }
                }
                Event::Advance(ms) => now += Duration::from_millis(ms),
                Event::Fetched(_) | Event::Failed(_) => {}
            }
            if let (Some(current), Some(refused)) = (lifecycle.token(now), &refused) {
                prop_assert_ne!(format!("{current:?}"), format!("{refused:?}"));
            }
        }
    }
}
