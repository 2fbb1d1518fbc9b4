//! The broker is killed, closes its connections, or runs short of memory or disk.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    broker::{Broker, Shortage},
    fault::{CONSUMER_RECOVERY_MAX, FaultRun, Fixture, Processes, SUBMIT_RECOVERY_MAX, since},
    load::{LoadProfile, is_long},
    wait::{PATIENCE, eventually},
};

/// Returns how long a broker is away, beside the time that it takes to start.
fn outage() -> Duration {
    Duration::from_secs(if is_long() { 20 } else { 0 })
}

/// Longest that an immediate refusal may take, however busy the machine is; a confirm that
/// does not come would take five seconds.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);

/// How long the load runs before and after.
const WORK: Duration = Duration::from_secs(2);

/// Starts a run at a broker of its own.
async fn run_at(broker: &Broker, subject: &'static str) -> FaultRun {
    let config = format!("[queue]\nurl = '{}'\n", broker.url());
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, &config).await;
    FaultRun::start(subject, fixture, LoadProfile::until_stopped()).at_broker(broker.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_broker_costs_no_job() {
    let broker = Broker::start().await;
    let run = run_at(&broker, "broker killed and restarted").await;
    run.load.reach(WORK).await;
    broker.kill_9().await;
    tokio::time::sleep(outage()).await;
    broker.start_again().await;
    let answers = SystemTime::now();
    run.wait_until_ready(CONSUMER_RECOVERY_MAX).await;
    let taking = since(answers, SystemTime::now());
    tokio::time::sleep(WORK).await;
    run.load.stop();

    let report = run.finish().await;
    let rejecting = report.rejecting_after(answers);
    let report = report
        .time("submits refused after its return", rejecting)
        .time("all ready after its return", taking);
    report.assert_all_succeeded();
    report.assert_submits_were_rejected();
    assert!(rejecting <= SUBMIT_RECOVERY_MAX, "{rejecting:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_broker_connections_cost_no_job() {
    let closes = async |broker: &Broker| broker.close_connections().await;
    assert_survives_repeated_closing(
        "all connections closed",
        closes,
        "the link to the broker is down",
    )
    .await;
}

/// Lets `fault` close connections or channels several times. Asserts that this costs no job,
/// that every role is soon ready, and that the log contains `noticed`.
pub(super) async fn assert_survives_repeated_closing(
    subject: &'static str,
    fault: impl AsyncFn(&Broker),
    noticed: &str,
) {
    let broker = Broker::start().await;
    let run = run_at(&broker, subject).await;
    let mut closed = SystemTime::now();
    for _ in 0..if is_long() { 10 } else { 2 } {
        tokio::time::sleep(WORK).await;
        fault(&broker).await;
        closed = SystemTime::now();
    }
    run.wait_until_ready(CONSUMER_RECOVERY_MAX).await;
    let taking = since(closed, SystemTime::now());
    tokio::time::sleep(WORK).await;
    run.load.stop();
    assert!(run.world.logs().contains(noticed), "the log does not mention it");

    let report = run.finish().await;
    let rejecting = report.rejecting_after(closed);
    let report = report
        .time("submits refused after the last time", rejecting)
        .time("all ready after the last time", taking);
    report.assert_all_succeeded();
    assert!(rejecting <= SUBMIT_RECOVERY_MAX, "{rejecting:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_alarm_rejects_at_once_and_costs_no_job() {
    runs_short("short of memory", Shortage::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_alarm_rejects_at_once_and_costs_no_job() {
    runs_short("short of disk", Shortage::Disk).await;
}

async fn runs_short(subject: &'static str, what: Shortage) {
    let broker = Broker::start().await;
    let run = run_at(&broker, subject).await;
    run.load.reach(WORK).await;
    broker.run_short_of(what).await;
    // A connection learns that it is blocked when it publishes next.
    eventually("submits are refused", PATIENCE, async || {
        (!run.load.history().rejections().is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(outage()).await;
    broker.has_enough_of(what).await;
    let enough = SystemTime::now();
    run.wait_until_ready(CONSUMER_RECOVERY_MAX).await;
    tokio::time::sleep(WORK).await;
    run.load.stop();

    let report = run.finish().await;
    let rejecting = report.rejecting_after(enough);
    let slowest = report.slowest_refusal();
    let report =
        report.time("slowest refusal", slowest).time("submits refused after the alarm", rejecting);
    report.assert_all_succeeded();
    assert!(slowest <= AT_ONCE, "{slowest:?}");
    assert!(rejecting <= SUBMIT_RECOVERY_MAX, "{rejecting:?}");
}
