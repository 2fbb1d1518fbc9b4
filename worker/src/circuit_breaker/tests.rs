//! The breakers of all apps together: what is held back, what is woken, and what is left.

use tokio::time::timeout;

use super::*;
use crate::circuit_breaker::breaker::{FAILING_MIN, FAILURES_MAX, OVER_QUOTA_JOBS};
use quhao_common::domain::id::JobKey;

/// Less than anybody waits who is not woken by a change.
const AT_ONCE: Duration = Duration::from_millis(700);

fn app(name: &str) -> AppId {
    AppId::new(name).unwrap()
}

fn permit(breakers: &Arc<CircuitBreakers>, name: &str, call: Call) -> Permit {
    match breakers.ask(&app(name), call) {
        Decision::Allowed(permit) => permit,
        Decision::Rejected(rejected) => panic!("{rejected:?}"),
    }
}

fn rejected(breakers: &Arc<CircuitBreakers>, name: &str, call: Call) -> Rejected {
    match breakers.ask(&app(name), call) {
        Decision::Rejected(rejected) => rejected,
        Decision::Allowed(permit) => panic!("{permit:?}"),
    }
}

/// Opens the breaker of the exchanges of the app `a`. Returns the permit of a call that began
/// before.
async fn open(breakers: &Arc<CircuitBreakers>) -> Permit {
    let early = permit(breakers, "a", Call::Exchange);
    permit(breakers, "a", Call::Exchange).record(CallResult::Failed);
    sleep(FAILING_MIN).await;
    for _ in 1..FAILURES_MAX {
        permit(breakers, "a", Call::Exchange).record(CallResult::Failed);
    }
    early
}

/// Waits for the next probe of the exchanges of the app `a`.
async fn next_probe(breakers: &Arc<CircuitBreakers>) -> Permit {
    loop {
        match breakers.ask(&app("a"), Call::Exchange) {
            Decision::Allowed(permit) => return permit,
            Decision::Rejected(rejected) => rejected.wait().await,
        }
    }
}

#[tokio::test]
async fn each_app_and_each_call_has_its_own_breaker() {
    let breakers = Arc::<CircuitBreakers>::default();
    let _early = open(&breakers).await;
    assert_eq!(rejected(&breakers, "a", Call::Exchange).cause, Cause::Down);
    for (name, call) in [("a", Call::Redeem), ("b", Call::Exchange), ("b", Call::Redeem)] {
        permit(&breakers, name, call).record(CallResult::Answered);
    }
    for number in 0..OVER_QUOTA_JOBS {
        let job = JobKey::from_bytes([u8::try_from(number).unwrap(); 16]);
        permit(&breakers, "a", Call::Redeem).record(CallResult::OverMinuteQuota(job));
    }
    permit(&breakers, "b", Call::Exchange).record(CallResult::OverDayQuota);
    let minute = rejected(&breakers, "a", Call::Redeem);
    assert_eq!(minute.cause, Cause::MinuteQuota);
    assert!(minute.pause.is_some_and(|pause| pause < Duration::from_secs(64)));
    let day = rejected(&breakers, "b", Call::Exchange);
    assert_eq!((day.cause, day.pause), (Cause::DayQuota, None));
    drop(permit(&breakers, "b", Call::Redeem));
}

#[tokio::test]
async fn a_success_wakes_those_who_wait() {
    let breakers = Arc::<CircuitBreakers>::default();
    drop(open(&breakers).await);
    let probe = next_probe(&breakers).await;
    let waiting = rejected(&breakers, "a", Call::Exchange);
    assert_eq!(waiting.cause, Cause::Down);
    let waiting = tokio::spawn(waiting.wait());
    probe.record(CallResult::Answered);
    timeout(AT_ONCE, waiting).await.expect("woken at once").unwrap();
    let _two = [permit(&breakers, "a", Call::Exchange), permit(&breakers, "a", Call::Exchange)];
    assert!(breakers.is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn a_late_answer_wakes_those_who_wait() {
    let breakers = Arc::<CircuitBreakers>::default();
    let early = open(&breakers).await;
    let waiting = tokio::spawn(rejected(&breakers, "a", Call::Exchange).wait());
    early.record(CallResult::Answered);
    timeout(AT_ONCE, waiting).await.expect("woken at once").unwrap();
    drop(permit(&breakers, "a", Call::Exchange));
    assert!(breakers.is_empty());
}

#[tokio::test]
async fn a_dropped_probe_lets_the_next_one_try_at_once() {
    let breakers = Arc::<CircuitBreakers>::default();
    drop(open(&breakers).await);
    for panics in [false, true, false] {
        let probe = next_probe(&breakers).await;
        let waiting = tokio::spawn(rejected(&breakers, "a", Call::Exchange).wait());
        let began = Instant::now();
        let broken = tokio::spawn(async move {
            let _probe = probe;
            if panics {
                // As a job might, but without the panic hook: printing a backtrace takes long.
                std::panic::resume_unwind(Box::new("a panic"));
            }
        });
        assert_eq!(broken.await.is_err(), panics);
        timeout(AT_ONCE, waiting).await.expect("woken at once").unwrap();
        assert!(began.elapsed() < AT_ONCE);
        assert!(!breakers.is_empty(), "it is not over");
    }
}

#[tokio::test]
async fn an_earlier_probe_does_not_count_for_the_new_one() {
    let breakers = Arc::<CircuitBreakers>::default();
    let early = open(&breakers).await;
    let old = next_probe(&breakers).await;
    early.record(CallResult::Answered);
    assert!(breakers.is_empty());
    drop(open(&breakers).await);
    let new = next_probe(&breakers).await;
    old.record(CallResult::Failed);
    let _waiting = rejected(&breakers, "a", Call::Exchange);
    new.record(CallResult::Answered);
    assert!(breakers.is_empty());
}

#[tokio::test]
async fn healthy_apps_have_no_breaker() {
    let breakers = Arc::<CircuitBreakers>::default();
    for number in 0..1000 {
        let name = format!("wx{number}");
        permit(&breakers, &name, Call::Exchange).record(CallResult::Answered);
        drop(permit(&breakers, &name, Call::Redeem));
    }
    assert!(breakers.is_empty());
    permit(&breakers, "wx7", Call::Exchange).record(CallResult::Failed);
    assert!(!breakers.is_empty());
    permit(&breakers, "wx7", Call::Exchange).record(CallResult::Answered);
    assert!(breakers.is_empty());
}
