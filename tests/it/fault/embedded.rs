//! The one process of embedded mode is killed and restarted on its file.

use std::time::Duration;

use quhao_tests::{
    fault::{FaultRun, Fixture},
    load::{LoadProfile, is_long},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_process_resumes_its_jobs() {
    let fixture = Fixture::embedded("").await;
    fixture.simulator.set_latency(Duration::from_millis(150));
    let mut run = FaultRun::start("embedded process killed", fixture, LoadProfile::default());
    let rounds = if is_long() { 10 } else { 2 };
    for round in 1..=rounds {
        run.load.reach(Duration::from_secs(3 * round - 1)).await;
        run.kill_embedded().await;
    }
    run.finish().await.assert_lost_only_held_jobs(rounds);
}
