//! Workers are killed, frozen, drained, and replaced one by one.

use std::time::Duration;

use quhao_tests::{
    fault::{FaultRun, Fixture, Processes},
    load::{LoadProfile, is_long},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_worker_costs_only_calls_in_flight() {
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, "").await;
    // So that there are always calls in flight.
    fixture.simulator.set_latency(Duration::from_millis(150));
    let mut run = FaultRun::start("worker killed", fixture, LoadProfile::default());
    let rounds = if is_long() { 10 } else { 2 };
    for round in 1..=rounds {
        run.load.reach(Duration::from_secs(4 * round - 1)).await;
        run.kill_worker().await;
        run.world.add_worker().await;
    }
    let report = run.finish().await;
    report.assert_lost_only_held_jobs(rounds);
    report.assert_taken_over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolling_restart_costs_no_job() {
    let fixture = Fixture::start(Processes { producers: 1, workers: 3 }, "").await;
    fixture.simulator.set_latency(Duration::from_millis(150));
    let mut run =
        FaultRun::start("rolling restart of three workers", fixture, LoadProfile::default());
    for restart in 1..=if is_long() { 12 } else { 3 } {
        run.load.reach(Duration::from_secs(2 * restart)).await;
        run.world.add_worker().await;
        run.drain_worker().await;
    }
    let report = run.finish().await;
    report.assert_all_succeeded();
    assert_eq!(report.calls, report.jobs, "no code was exchanged twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_worker_costs_no_job() {
    // The broker gives its jobs to the other worker meanwhile, which finds their codes used and
    // waits for the outcomes that the frozen one has.
    let fixture =
        Fixture::start(Processes { producers: 1, workers: 2 }, "[queue]\nheartbeat_seconds = 1\n")
            .await;
    fixture.simulator.set_latency(Duration::from_millis(150));
    let run = FaultRun::start("worker frozen", fixture, LoadProfile::default());
    for round in 1..=if is_long() { 8 } else { 1 } {
        run.load.reach(Duration::from_secs(6 * round - 4)).await;
        let frozen = &run.world.workers[0].process;
        frozen.signal("STOP");
        // Less than a call may take, so that no call is given up.
        tokio::time::sleep(Duration::from_secs(3)).await;
        frozen.signal("CONT");
    }
    let report = run.finish().await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_without_the_store_hands_outcomes_over() {
    let mut fixture =
        Fixture::start(Processes { producers: 1, workers: 0 }, "drain_seconds = 3\n").await;
    fixture.simulator.set_latency(Duration::from_millis(300));
    let (proxy, url) = fixture.proxy_to_store().await;
    fixture.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    let mut run = FaultRun::start("drain without the store", fixture, LoadProfile::default());
    run.load.reach(Duration::from_secs(2)).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(1)).await;
    run.drain_worker().await;
    run.world.add_worker().await;
    let report = run.finish().await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(Duration::from_secs(1));
    assert_eq!(report.calls, report.jobs, "no call was repeated for a known outcome");
}
