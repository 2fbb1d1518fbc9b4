//! Workers whose clocks are ten minutes off.

use std::time::Duration;

use quhao_tests::{
    client::Client,
    clock::Clock,
    load::Load,
    process::Process,
    wait::{PATIENCE, eventually},
    world::Worker,
};

use super::{ground::Ground, trial::Trial};

const TEN_MINUTES_SECONDS: i64 = 600;

/// Longest that a worker may take to notice that its clock is right again: it looks every
/// five seconds.
const NOTICE_MAX: Duration = Duration::from_secs(15);

/// How long guests come before and after.
const WORK: Duration = Duration::from_secs(3);

/// A worker that goes by this clock.
async fn worker_by(clock: &Clock, ground: &Ground) -> Worker {
    let config = ground.config.path();
    let words = ["worker".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut process = Process::spawn(&words, &clock.variables());
    let fields = process.wait_for_log("worker running", PATIENCE).await;
    Worker { process, metrics: fields["metrics"].as_str().expect("an address").to_owned() }
}

async fn deliveries(client: &Client) -> u64 {
    client.metric("quhao_deliveries_total").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_clock_is_off_takes_nothing_until_it_is_right() {
    let ground = Ground::with(1, 1, "").await;
    let mut wrong = Vec::new();
    for seconds in [TEN_MINUTES_SECONDS, -TEN_MINUTES_SECONDS] {
        let clock = Clock::off_by(seconds);
        let worker = worker_by(&clock, &ground).await;
        let probes = ground.client().at(&worker.metrics);
        wrong.push((clock, worker, probes));
    }
    let mut trial = Trial::of("clocks ten minutes off", ground, Load::until_enough());
    trial.crowd.at(WORK).await;
    for (_, _, probes) in &wrong {
        let readyz = probes.get("/readyz").await;
        let reasons = readyz.body["reasons"].to_string();
        assert_eq!(readyz.status, 503, "{}", readyz.text);
        assert!(reasons.contains("this machine's clock is"), "{reasons}");
        assert_eq!(deliveries(probes).await, 0, "it takes nothing");
    }
    for (clock, ..) in &wrong {
        clock.set_off_by(0);
    }
    for (_, _, probes) in &wrong {
        eventually("it works once its clock is right", NOTICE_MAX, async || {
            (deliveries(probes).await > 0).then_some(())
        })
        .await;
    }
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();
    // Their clocks are needed until they have ended.
    let (clocks, workers): (Vec<_>, Vec<_>) =
        wrong.into_iter().map(|(clock, worker, _)| (clock, worker)).unzip();
    trial.world.workers.extend(workers);

    let outcome = trial.end().await;
    drop(clocks);
    outcome.all_succeeded();
    assert_eq!(outcome.troubles, []);
    assert_eq!(outcome.calls, outcome.jobs, "no code was exchanged twice");
}
