//! Ten thousand taps at once.

use std::{sync::Arc, time::Duration};

use quhao_tests::{
    client::Client,
    config::Mode,
    world::{World, WorldOptions, phone_job},
};
use tokio::{sync::Semaphore, task::JoinSet};

const JOBS: usize = 10_000;
/// Requests that are under way at once.
const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_succeed_with_one_exchange_each() {
    let options = WorldOptions { workers: 2, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let client = world.client();
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut jobs = JoinSet::new();
    for _ in 0..JOBS {
        let guest = world.guest();
        let (client, connections) = (client.clone(), Arc::clone(&connections));
        jobs.spawn(
            async move { (guest.phone.clone(), accept(&client, &connections, &guest).await) },
        );
    }
    let accepted = jobs.join_all().await;
    assert_eq!(accepted.len(), JOBS);

    let mut ends = JoinSet::new();
    for (phone, url) in accepted {
        let (client, connections) = (client.clone(), Arc::clone(&connections));
        ends.spawn(async move {
            let _turn = connections.acquire().await.unwrap();
            let job = client.wait_until_done(&url, Duration::from_secs(200)).await;
            assert_eq!(job["result"]["phone"]["pure_phone_number"], phone, "{job}");
        });
    }
    assert_eq!(ends.join_all().await.len(), JOBS);
    let counts = world.simulator.counts();
    assert_eq!((counts.exchanges, counts.calls), (JOBS as u64, JOBS as u64), "{counts:?}");
    world.wait_until_drained().await;
}

/// Submits until it is accepted: an honest 503 is no loss.
async fn accept(client: &Client, connections: &Semaphore, guest: &quhao_simulator::User) -> String {
    loop {
        let turn = connections.acquire().await.unwrap();
        let reply = client.submit(&phone_job(guest)).await;
        drop(turn);
        match reply.status {
            202 => return reply.text_at("/url").to_owned(),
            503 => {
                let pause = reply.header("retry-after").parse().expect("seconds");
                tokio::time::sleep(Duration::from_secs(pause)).await;
            }
            other => panic!("{other}: {}", reply.text),
        }
    }
}
