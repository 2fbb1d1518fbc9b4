//! A producer dies while it publishes.

use std::time::Duration;

use quhao_tests::load::{Load, long};

use super::{ground::Ground, trial::Trial};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_is_killed_in_mid_publish_loses_nothing_that_it_accepted() {
    let ground = Ground::with(2, 2, "").await;
    // Enough that it always has something in hand.
    let load = Load { rate: 100, ..Load::default() };
    let mut trial = Trial::of("producer killed", ground, load);
    for round in 1..=if long() { 10 } else { 3 } {
        trial.crowd.at(Duration::from_secs(2 * round)).await;
        trial.world.producers.remove(0).process.kill_9();
        trial.crowd.ask(&trial.world);
        trial.world.add_producer().await;
        trial.crowd.ask(&trial.world);
    }
    let outcome = trial.end().await;
    outcome.all_succeeded();
    // Those that it had in hand, and those that found nobody there.
    outcome.refused();
}
