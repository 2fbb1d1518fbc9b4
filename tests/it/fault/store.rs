//! Postgres crashes, turns read-only, has no connection left, or falls silent.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    load::{Load, long},
    postgres::Postgres,
};

use super::{ground::Ground, outcome::since, trial::Trial};

/// Longest that the product may take to be ready after the store is back.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// How long the store is away: less than the grace that a job has after its deadline.
fn outage() -> Duration {
    Duration::from_secs(if long() { 15 } else { 3 })
}

/// Runs guests against a store of their own that breaks, is left alone and is mended. All
/// of them get their number, and none of them is turned away.
async fn outlives(
    subject: &'static str,
    breaks: impl AsyncFnOnce(&Postgres),
    mends: impl AsyncFnOnce(&Postgres),
) {
    let postgres = Postgres::start().await;
    let config = format!("[store]\nurl = '{}'\n", postgres.url());
    let ground = Ground::with(1, 2, &config).await;
    ground.simulator.set_latency(Duration::from_millis(100));
    let trial = Trial::of(subject, ground, Load::default());
    trial.crowd.at(Duration::from_secs(2)).await;
    breaks(&postgres).await;
    tokio::time::sleep(outage()).await;
    mends(&postgres).await;
    let mended = SystemTime::now();
    trial.is_ready(RECOVERY_MAX).await;
    let ready = since(mended, SystemTime::now());

    let outcome = trial.end().await.time("all ready after that", ready);
    outcome.all_succeeded();
    outcome.waited(outage() * 2 / 3);
    assert_eq!(outcome.troubles, [], "a producer accepts without the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_crashes_and_recovers_costs_nothing() {
    let mends = async |postgres: &Postgres| postgres.start_again().await;
    outlives("Postgres stopped at once", async |it| it.stop_immediately().await, mends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_stopped_and_started_costs_nothing() {
    let mends = async |postgres: &Postgres| postgres.start_again().await;
    outlives("Postgres stopped fast", async |it| it.stop_fast().await, mends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_costs_nothing() {
    let mends = async |postgres: &Postgres| postgres.start_again().await;
    outlives("Postgres killed", async |it| it.kill_9().await, mends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_takes_no_writes_costs_nothing() {
    let breaks = async |postgres: &Postgres| postgres.set_read_only(true).await;
    let mends = async |postgres: &Postgres| postgres.set_read_only(false).await;
    outlives("Postgres read-only", breaks, mends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_free_connections_costs_nothing() {
    let breaks = async |postgres: &Postgres| postgres.let_connect(1).await;
    let mends = async |postgres: &Postgres| postgres.let_connect(-1).await;
    outlives("Postgres out of connections", breaks, mends).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_falls_silent_costs_nothing() {
    let breaks = async |postgres: &Postgres| postgres.freeze().await;
    let mends = async |postgres: &Postgres| postgres.thaw().await;
    outlives("Postgres frozen", breaks, mends).await;
}
