//! The circuits of all apps together: who is held back, who is told, and what is left.

use std::{sync::Arc, time::Duration};

use quhao_common::domain::app::AppId;
use quhao_worker::{
    circuit_breaker::{
        Circuits, Gate, Held, Pass,
        call_result::{Cause, Signal},
        state::{FAILING_LEAST, FAILURES_MAX, OVER_QUOTA_MAX},
    },
    platform::Call,
};
use tokio::time::{Instant, sleep, timeout};

use super::job;

/// Less than anybody waits who is not told that something has changed.
const AT_ONCE: Duration = Duration::from_millis(700);

fn app(name: &str) -> AppId {
    AppId::new(name).unwrap()
}

fn pass(circuits: &Arc<Circuits>, name: &str, call: Call) -> Pass {
    match circuits.ask(&app(name), call) {
        Gate::Go(pass) => pass,
        Gate::Held(held) => panic!("{held:?}"),
    }
}

fn held(circuits: &Arc<Circuits>, name: &str, call: Call) -> Held {
    match circuits.ask(&app(name), call) {
        Gate::Held(held) => held,
        Gate::Go(pass) => panic!("{pass:?}"),
    }
}

/// Holds back the exchanges of the app `a`, and gives the pass of a call that began before.
async fn down(circuits: &Arc<Circuits>) -> Pass {
    let early = pass(circuits, "a", Call::Exchange);
    pass(circuits, "a", Call::Exchange).told(Signal::Failed);
    sleep(FAILING_LEAST).await;
    for _ in 1..FAILURES_MAX {
        pass(circuits, "a", Call::Exchange).told(Signal::Failed);
    }
    early
}

/// The next probe.
async fn probe(circuits: &Arc<Circuits>) -> Pass {
    loop {
        match circuits.ask(&app("a"), Call::Exchange) {
            Gate::Go(pass) => return pass,
            Gate::Held(held) => held.over().await,
        }
    }
}

#[tokio::test]
async fn each_app_and_each_call_has_a_circuit_of_its_own() {
    let circuits = Arc::<Circuits>::default();
    let _early = down(&circuits).await;
    assert_eq!(held(&circuits, "a", Call::Exchange).cause, Cause::Down);
    for (name, call) in [("a", Call::Redeem), ("b", Call::Exchange), ("b", Call::Redeem)] {
        pass(&circuits, name, call).told(Signal::Answered);
    }
    for number in 0..OVER_QUOTA_MAX {
        pass(&circuits, "a", Call::Redeem).told(Signal::OverMinute(job(number)));
    }
    pass(&circuits, "b", Call::Exchange).told(Signal::OverDay);
    let minute = held(&circuits, "a", Call::Redeem);
    assert_eq!(minute.cause, Cause::MinuteQuota);
    assert!(minute.pause.is_some_and(|pause| pause < Duration::from_secs(64)));
    let day = held(&circuits, "b", Call::Exchange);
    assert_eq!((day.cause, day.pause), (Cause::DayQuota, None));
    drop(pass(&circuits, "b", Call::Redeem));
}

#[tokio::test]
async fn those_who_wait_are_told_of_a_success() {
    let circuits = Arc::<Circuits>::default();
    drop(down(&circuits).await);
    let probe = probe(&circuits).await;
    let waiting = held(&circuits, "a", Call::Exchange);
    assert_eq!(waiting.cause, Cause::Down);
    let waiting = tokio::spawn(waiting.over());
    probe.told(Signal::Answered);
    timeout(AT_ONCE, waiting).await.expect("told at once").unwrap();
    let _two = [pass(&circuits, "a", Call::Exchange), pass(&circuits, "a", Call::Exchange)];
    assert!(circuits.is_empty(), "nothing is left of it");
}

#[tokio::test]
async fn a_late_answer_lets_everybody_go_on() {
    let circuits = Arc::<Circuits>::default();
    let early = down(&circuits).await;
    let waiting = tokio::spawn(held(&circuits, "a", Call::Exchange).over());
    early.told(Signal::Answered);
    timeout(AT_ONCE, waiting).await.expect("told at once").unwrap();
    drop(pass(&circuits, "a", Call::Exchange));
    assert!(circuits.is_empty());
}

#[tokio::test]
async fn a_probe_that_breaks_off_lets_the_next_one_try_at_once() {
    let circuits = Arc::<Circuits>::default();
    drop(down(&circuits).await);
    for panics in [false, true, false] {
        let probe = probe(&circuits).await;
        let waiting = tokio::spawn(held(&circuits, "a", Call::Exchange).over());
        let began = Instant::now();
        let broken = tokio::spawn(async move {
            let _probe = probe;
            assert!(!panics, "as a job might");
        });
        assert_eq!(broken.await.is_err(), panics);
        timeout(AT_ONCE, waiting).await.expect("told at once").unwrap();
        assert!(began.elapsed() < AT_ONCE);
        assert!(!circuits.is_empty(), "it is not over");
    }
}

#[tokio::test]
async fn a_probe_of_an_earlier_time_says_nothing_of_the_new_one() {
    let circuits = Arc::<Circuits>::default();
    let early = down(&circuits).await;
    let old = probe(&circuits).await;
    early.told(Signal::Answered);
    assert!(circuits.is_empty());
    drop(down(&circuits).await);
    let new = probe(&circuits).await;
    old.told(Signal::Failed);
    let _waiting = held(&circuits, "a", Call::Exchange);
    new.told(Signal::Answered);
    assert!(circuits.is_empty());
}

#[tokio::test]
async fn healthy_apps_take_no_room() {
    let circuits = Arc::<Circuits>::default();
    for number in 0..1000 {
        let name = format!("wx{number}");
        pass(&circuits, &name, Call::Exchange).told(Signal::Answered);
        drop(pass(&circuits, &name, Call::Redeem));
    }
    assert!(circuits.is_empty());
    pass(&circuits, "wx7", Call::Exchange).told(Signal::Failed);
    assert!(!circuits.is_empty());
    pass(&circuits, "wx7", Call::Exchange).told(Signal::Answered);
    assert!(circuits.is_empty());
}
