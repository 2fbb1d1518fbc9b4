//! Workers die, and are replaced one by one.

use std::time::Duration;

use quhao_tests::load::{Load, long};

use super::{ground::Ground, trial::Trial};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_in_mid_batch_costs_only_the_codes_it_was_exchanging() {
    let ground = Ground::with(1, 2, "").await;
    // So that there are always calls under way.
    ground.simulator.set_latency(Duration::from_millis(150));
    let mut trial = Trial::of("worker killed", ground, Load::default());
    let rounds = if long() { 10 } else { 2 };
    for round in 1..=rounds {
        trial.crowd.at(Duration::from_secs(4 * round - 1)).await;
        trial.kill_worker().await;
        trial.world.add_worker().await;
    }
    let outcome = trial.end().await;
    outcome.lost_only_what_was_held(rounds);
    outcome.went_on_elsewhere();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_replaced_one_by_one_cost_nothing() {
    let ground = Ground::with(1, 3, "").await;
    ground.simulator.set_latency(Duration::from_millis(150));
    let mut trial = Trial::of("rolling restart of three workers", ground, Load::default());
    for restart in 1..=if long() { 12 } else { 3 } {
        trial.crowd.at(Duration::from_secs(2 * restart)).await;
        trial.world.add_worker().await;
        trial.drain_worker().await;
    }
    let outcome = trial.end().await;
    outcome.all_succeeded();
    assert_eq!(outcome.calls, outcome.jobs, "no code was exchanged twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_freezes_finds_its_jobs_taken_and_its_sessions_used() {
    // The broker gives its jobs to the other one meanwhile, who finds their codes used and
    // waits for the outcomes that the frozen one has.
    let ground = Ground::with(1, 2, "[queue]\nheartbeat_seconds = 1\n").await;
    ground.simulator.set_latency(Duration::from_millis(150));
    let trial = Trial::of("worker frozen", ground, Load::default());
    for round in 1..=if long() { 8 } else { 1 } {
        trial.crowd.at(Duration::from_secs(6 * round - 4)).await;
        let frozen = &trial.world.workers[0].process;
        frozen.signal("STOP");
        // Less than a call may take, so that no answer is given up.
        tokio::time::sleep(Duration::from_secs(3)).await;
        frozen.signal("CONT");
    }
    let outcome = trial.end().await;
    outcome.all_succeeded();
    outcome.waited(Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_must_end_without_the_store_hands_its_outcomes_over() {
    let mut ground = Ground::with(1, 0, "drain_seconds = 3\n").await;
    ground.simulator.set_latency(Duration::from_millis(300));
    let (proxy, url) = ground.proxy_to_store().await;
    ground.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    let mut trial = Trial::of("drain without the store", ground, Load::default());
    trial.crowd.at(Duration::from_secs(2)).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(1)).await;
    trial.drain_worker().await;
    trial.world.add_worker().await;
    let outcome = trial.end().await;
    outcome.all_succeeded();
    outcome.waited(Duration::from_secs(1));
    assert_eq!(outcome.calls, outcome.jobs, "what was known was not asked again");
}
