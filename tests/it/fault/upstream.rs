//! The platform takes calls and does not answer, answers half, or is away.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Action, User};
use quhao_tests::{
    load::{Load, long},
    proxy::Proxy,
};

use super::{
    ground::Ground,
    outcome::{Outcome, since},
    trial::Trial,
};

/// A short patience with the platform, but not so short that a busy machine exhausts it.
const CONFIG: &str = "[platforms.wechat]\ntimeout_seconds = 1.5\n";

/// How long guests come before the platform is gone.
const BEFORE: Duration = Duration::from_secs(2);

/// Longest that guests are turned away after it is back: the longest pause between two calls
/// that try, and one for the answer.
const BACK_MAX: Duration = Duration::from_secs(12);

/// One guest in this many meets the trouble.
const EVERY: usize = 5;

/// Runs guests of whom every fifth meets `action` at the first call.
async fn meets(subject: &'static str, action: Action) -> (Outcome, u64) {
    let ground = Ground::with(1, 2, CONFIG).await;
    let load = Load { time: Duration::from_secs(if long() { 60 } else { 4 }), ..Load::default() };
    let guests = load.guests(&ground);
    let unlucky: Vec<&User> = guests.iter().step_by(EVERY).collect();
    for guest in &unlucky {
        ground.simulator.script_code(&guest.code, [action.clone()]).unwrap();
    }
    let unlucky = unlucky.len() as u64;
    let outcome = Trial::with(subject, ground, load, guests).end().await;
    assert!(outcome.calls >= outcome.jobs + unlucky, "every one of them was tried again");
    (outcome, unlucky)
}

/// The code was spent on an answer that never came: only that guest has to try again.
async fn costs_the_code(subject: &'static str, action: Action) {
    let (outcome, unlucky) = meets(subject, action).await;
    outcome.failed_only(&["session_lost"]);
    assert_eq!(outcome.failures.len() as u64, unlucky);
}

/// The code is as good as before, and the second call gets the session.
async fn costs_nothing(subject: &'static str, action: Action) {
    let (outcome, _) = meets(subject, action).await;
    outcome.all_succeeded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_after_the_code_was_taken_costs_that_code_alone() {
    costs_the_code("reset after reading, burnt", Action::ResetAfterRead { burn: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_before_the_code_was_taken_costs_nothing() {
    costs_nothing("reset after reading", Action::ResetAfterRead { burn: false }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_answer_costs_that_code_alone() {
    costs_the_code("half an answer", Action::HalfAnswer { burn: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_after_the_code_was_taken_costs_that_code_alone() {
    costs_the_code("silence, burnt", Action::Hang { burn: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_before_the_code_was_taken_costs_nothing() {
    costs_nothing("silence", Action::Hang { burn: false }).await;
}

/// Guests whose workers reach the platform through the proxy.
async fn through_a_proxy() -> (Ground, Proxy) {
    let mut ground = Ground::with(1, 0, CONFIG).await;
    let (proxy, url) = Proxy::for_url(&ground.simulator.base_url(), 80).await;
    let url = url.trim_end_matches('/');
    for _ in 0..2 {
        ground.add_worker_with(&[("QUHAO__PLATFORMS__WECHAT__BASE_URL", url)]).await;
    }
    (ground, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_not_there_for_some_seconds_costs_nothing() {
    let (ground, proxy) = through_a_proxy().await;
    // Fewer than may wait until it is noticed that it is back.
    let load = Load { rate: 12, ..Load::default() };
    let trial = Trial::of("platform away", ground, load);
    for round in 1..=if long() { 4 } else { 1 } {
        // Twice as long may pass between two calls that try whether it is back.
        trial.crowd.at(Duration::from_secs(14 * round - 12)).await;
        proxy.refuse();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.mend();
    }
    let outcome = trial.end().await;
    outcome.all_succeeded();
    outcome.waited(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_down_for_a_minute_is_found_back_soon() {
    let (ground, proxy) = through_a_proxy().await;
    let (outage, after) = if long() { (60, 30) } else { (5, 10) };
    let (outage, after) = (Duration::from_secs(outage), Duration::from_secs(after));
    // Those who come in time can wait until it is over.
    let load = Load { time: BEFORE + outage + after, deadline_seconds: 100, ..Load::default() };
    let trial = Trial::of("platform down", ground, load);
    trial.crowd.at(BEFORE).await;
    proxy.refuse();
    tokio::time::sleep(outage).await;
    proxy.mend();
    let mended = SystemTime::now();

    let outcome = trial.end().await;
    let failing = outcome.failed_until.map_or(Duration::ZERO, |until| since(mended, until));
    let outcome = outcome.time("failures after it is back", failing);
    // No more than so many wait; the others are told to come again later.
    outcome.failed_only(&["platform_unavailable"]);
    assert_eq!(outcome.burnt, 0, "no call had arrived");
    outcome.waited(outage / 2);
    assert!(failing <= BACK_MAX, "{failing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_falls_silent_for_some_seconds_spends_no_code_in_secret() {
    let (ground, proxy) = through_a_proxy().await;
    let trial = Trial::of("platform silent", ground, Load::default());
    for round in 1..=if long() { 8 } else { 1 } {
        trial.crowd.at(Duration::from_secs(6 * round - 4)).await;
        proxy.stall();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.mend();
    }
    let outcome = trial.end().await;
    // Two calls without an answer end a job; its guest may try again later. A call that was
    // given up may still arrive when the silence is over, and spend its code.
    outcome.failed_only(&["platform_unavailable", "session_lost"]);
    let lost = outcome.failures.iter().filter(|code| *code == "session_lost").count() as u64;
    assert!(outcome.burnt <= lost, "{} codes were spent, {lost} told so", outcome.burnt);
    outcome.waited(Duration::from_secs(1));
}
