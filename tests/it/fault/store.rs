//! Postgres crashes, becomes read-only, has no connection left, or falls silent.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    fault::{FaultRun, Fixture, Processes, since},
    load::{LoadProfile, is_long},
    postgres::Postgres,
};

/// Longest that the product may take to be ready after the store is back.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Returns how long the store is away: less than the grace that a job has after its deadline.
fn outage() -> Duration {
    Duration::from_secs(if is_long() { 15 } else { 3 })
}

/// Runs a load with a store of its own that breaks and, after the outage, is repaired. Asserts
/// that all jobs succeed and no submit is rejected.
async fn assert_survives(
    subject: &'static str,
    breaks: impl AsyncFnOnce(&Postgres),
    repairs: impl AsyncFnOnce(&Postgres),
) {
    let postgres = Postgres::start().await;
    let config = format!("[store]\nurl = '{}'\n", postgres.url());
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, &config).await;
    fixture.simulator.set_latency(Duration::from_millis(100));
    let run = FaultRun::start(subject, fixture, LoadProfile::default());
    run.load.reach(Duration::from_secs(2)).await;
    breaks(&postgres).await;
    tokio::time::sleep(outage()).await;
    repairs(&postgres).await;
    let repaired = SystemTime::now();
    run.wait_until_ready(RECOVERY_MAX).await;
    let ready = since(repaired, SystemTime::now());

    let report = run.finish().await.time("all ready after that", ready);
    report.assert_all_succeeded();
    report.assert_jobs_waited(outage() * 2 / 3);
    assert_eq!(report.rejections, [], "a producer accepts without the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashed_store_costs_no_job() {
    let repairs = async |postgres: &Postgres| postgres.start_again().await;
    assert_survives("Postgres stopped at once", async |it| it.stop_immediately().await, repairs)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted_store_costs_no_job() {
    let repairs = async |postgres: &Postgres| postgres.start_again().await;
    assert_survives("Postgres stopped fast", async |it| it.stop_fast().await, repairs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_store_costs_no_job() {
    let repairs = async |postgres: &Postgres| postgres.start_again().await;
    assert_survives("Postgres killed", async |it| it.kill_9().await, repairs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_store_costs_no_job() {
    let breaks = async |postgres: &Postgres| postgres.set_read_only(true).await;
    let repairs = async |postgres: &Postgres| postgres.set_read_only(false).await;
    assert_survives("Postgres read-only", breaks, repairs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_without_connections_costs_no_job() {
    let breaks = async |postgres: &Postgres| postgres.limit_connections(1).await;
    let repairs = async |postgres: &Postgres| postgres.limit_connections(-1).await;
    assert_survives("Postgres out of connections", breaks, repairs).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_store_costs_no_job() {
    let breaks = async |postgres: &Postgres| postgres.freeze().await;
    let repairs = async |postgres: &Postgres| postgres.thaw().await;
    assert_survives("Postgres frozen", breaks, repairs).await;
}
