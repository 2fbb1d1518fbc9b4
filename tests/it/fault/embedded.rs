//! The one process of embedded mode dies and comes back to its file.

use std::time::Duration;

use quhao_tests::load::{Load, long};

use super::{ground::Ground, trial::Trial};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_comes_back_to_its_jobs() {
    let ground = Ground::embedded("").await;
    ground.simulator.set_latency(Duration::from_millis(150));
    let mut trial = Trial::of("embedded process killed", ground, Load::default());
    let rounds = if long() { 10 } else { 2 };
    for round in 1..=rounds {
        trial.crowd.at(Duration::from_secs(3 * round - 1)).await;
        trial.kill_embedded().await;
    }
    trial.end().await.lost_only_what_was_held(rounds);
}
