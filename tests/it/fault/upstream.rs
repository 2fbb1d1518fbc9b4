//! The platform accepts calls and does not answer, answers half, or is away.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Action, User};
use quhao_tests::{
    fault::{FaultRun, Fixture, Processes, Report, since},
    load::{LoadProfile, is_long},
    proxy::Proxy,
};

/// A short time limit for the platform, but not so short that a busy machine exceeds it.
const CONFIG: &str = "[platforms.wechat]\ntimeout_seconds = 1.5\n";

/// How long the load runs before the outage.
const BEFORE: Duration = Duration::from_secs(2);

/// Longest that jobs fail after it is back: the longest pause between two calls
/// that try, and one for the answer.
const BACK_MAX: Duration = Duration::from_secs(12);

/// One job in this many meets the fault.
const FAULT_EVERY: usize = 5;

/// Runs a load of which every fifth job meets `action` at its first call. Returns the report
/// and how many jobs these were.
async fn run_with(subject: &'static str, action: Action) -> (Report, u64) {
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, CONFIG).await;
    let profile = LoadProfile {
        time: Duration::from_secs(if is_long() { 60 } else { 4 }),
        ..LoadProfile::default()
    };
    let users = profile.users(&fixture);
    let unlucky: Vec<&User> = users.iter().step_by(FAULT_EVERY).collect();
    for user in &unlucky {
        fixture.simulator.script_code(&user.code, [action.clone()]).unwrap();
    }
    let unlucky = unlucky.len() as u64;
    let report = FaultRun::start_with_users(subject, fixture, profile, users).finish().await;
    assert!(report.calls >= report.jobs + unlucky, "each of them was tried again");
    (report, unlucky)
}

/// Asserts that each fault costs one code, whose session was lost with the answer, and that no
/// other job fails.
async fn assert_costs_the_code(subject: &'static str, action: Action) {
    let (report, unlucky) = run_with(subject, action).await;
    report.assert_failed_only(&["session_lost"]);
    assert_eq!(report.failures.len() as u64, unlucky);
}

/// Asserts that the second call gets the session: the code was not used.
async fn assert_costs_nothing(subject: &'static str, action: Action) {
    let (report, _) = run_with(subject, action).await;
    report.assert_all_succeeded();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_after_the_code_was_used_costs_that_code() {
    assert_costs_the_code("reset after reading, burnt", Action::ResetAfterRead { burn: true })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_before_the_code_was_used_costs_nothing() {
    assert_costs_nothing("reset after reading", Action::ResetAfterRead { burn: false }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_answer_costs_that_code() {
    assert_costs_the_code("half an answer", Action::HalfAnswer { burn: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_after_the_code_was_used_costs_that_code() {
    assert_costs_the_code("silence, burnt", Action::Hang { burn: true }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_before_the_code_was_used_costs_nothing() {
    assert_costs_nothing("silence", Action::Hang { burn: false }).await;
}

/// Starts workers that reach the platform through a proxy.
async fn start_behind_a_proxy() -> (Fixture, Proxy) {
    let mut fixture = Fixture::start(Processes { producers: 1, workers: 0 }, CONFIG).await;
    let (proxy, url) = Proxy::for_url(&fixture.simulator.base_url(), 80).await;
    let url = url.trim_end_matches('/');
    for _ in 0..2 {
        fixture.add_worker_with(&[("QUHAO__PLATFORMS__WECHAT__BASE_URL", url)]).await;
    }
    (fixture, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_platform_outage_costs_no_job() {
    let (fixture, proxy) = start_behind_a_proxy().await;
    // Fewer jobs than may wait until the breaker notices that it is back.
    let profile = LoadProfile { rate: 12, ..LoadProfile::default() };
    let run = FaultRun::start("platform away", fixture, profile);
    for round in 1..=if is_long() { 4 } else { 1 } {
        // Twice as long may pass between two probes.
        run.load.reach(Duration::from_secs(14 * round - 12)).await;
        proxy.refuse();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.mend();
    }
    let report = run.finish().await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_platform_outage_is_recovered_from_soon() {
    let (fixture, proxy) = start_behind_a_proxy().await;
    let (outage, after) = if is_long() { (60, 30) } else { (5, 10) };
    let (outage, after) = (Duration::from_secs(outage), Duration::from_secs(after));
    // Jobs that come early can wait until the outage is over.
    let profile = LoadProfile {
        time: BEFORE + outage + after,
        deadline_seconds: 100,
        ..LoadProfile::default()
    };
    let run = FaultRun::start("platform down", fixture, profile);
    run.load.reach(BEFORE).await;
    proxy.refuse();
    tokio::time::sleep(outage).await;
    proxy.mend();
    let restored = SystemTime::now();

    let report = run.finish().await;
    let failing = report.failed_until.map_or(Duration::ZERO, |until| since(restored, until));
    let report = report.time("failures after it is back", failing);
    // Only so many jobs can wait; the others fail, to be submitted again later.
    report.assert_failed_only(&["platform_unavailable"]);
    assert_eq!(report.burnt, 0, "no call had arrived");
    report.assert_jobs_waited(outage / 2);
    assert!(failing <= BACK_MAX, "{failing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_platform_uses_up_no_code_unreported() {
    let (fixture, proxy) = start_behind_a_proxy().await;
    let run = FaultRun::start("platform silent", fixture, LoadProfile::default());
    for round in 1..=if is_long() { 8 } else { 1 } {
        run.load.reach(Duration::from_secs(6 * round - 4)).await;
        proxy.stall();
        tokio::time::sleep(Duration::from_secs(3)).await;
        proxy.mend();
    }
    let report = run.finish().await;
    // Two calls without an answer end a job; its guest may try again later. A call that was
    // given up may still arrive when the silence is over, and use its code.
    report.assert_failed_only(&["platform_unavailable", "session_lost"]);
    let lost = report.failures.iter().filter(|code| *code == "session_lost").count() as u64;
    assert!(report.burnt <= lost, "{} codes were used up, {lost} reported", report.burnt);
    report.assert_jobs_waited(Duration::from_secs(1));
}
