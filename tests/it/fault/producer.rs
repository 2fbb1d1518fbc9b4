//! A producer is killed while it publishes.

use std::time::Duration;

use quhao_tests::{
    fault::{FaultRun, Fixture, Processes},
    load::{LoadProfile, is_long},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_producer_loses_no_accepted_job() {
    let fixture = Fixture::start(Processes { producers: 2, workers: 2 }, "").await;
    // Enough that it always has a submission in flight.
    let profile = LoadProfile { rate: 100, ..LoadProfile::default() };
    let mut run = FaultRun::start("producer killed", fixture, profile);
    for round in 1..=if is_long() { 10 } else { 3 } {
        run.load.reach(Duration::from_secs(2 * round)).await;
        run.world.producers.remove(0).process.kill_9();
        run.load.use_producers_of(&run.world);
        run.world.add_producer().await;
        run.load.use_producers_of(&run.world);
    }
    let report = run.finish().await;
    report.assert_all_succeeded();
    // Those in flight, and those that found no listener.
    report.assert_submits_were_rejected();
}
