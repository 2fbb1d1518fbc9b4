//! The same submission, many times at once, on every producer.

use std::time::Duration;

use quhao_tests::{
    config::Mode,
    wait::{PATIENCE, eventually, within},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;
use sqlx::Connection;
use tokio::time::sleep;

/// Between two looks at the database.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_duplicates_make_one_job_and_one_exchange() {
    let options = WorldOptions { producers: 2, workers: 2, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let clients = [world.client(), world.client().at(&world.producers[1].address)];
    for _ in 0..5 {
        let guest = world.guest();
        let job = phone_job(&guest);
        let submits: Vec<_> = (0..4)
            .map(|at| {
                let (client, job) = (clients[at % 2].clone(), job.clone());
                tokio::spawn(async move { client.submit_and_wait(&job, 20).await })
            })
            .collect();
        let mut ids = Vec::new();
        for submit in submits {
            let reply = submit.await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
            assert_eq!(reply.text_at("/result/phone/pure_phone_number"), guest.phone);
            ids.push(reply.text_at("/id").to_owned());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        assert_eq!(world.simulator.exchanges_of(&guest.code), 1);
    }
    // All copies get settled: nothing is left for anybody.
    world.wait_until_drained().await;
}

/// A rival's session is on its way, and there is no room to wait for it but in the slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rival_jobs_wait_in_place_for_the_first_commit() {
    let config = "[worker]\nconcurrency = 4\n".to_owned();
    let mut world =
        World::with(Mode::Distributed, WorldOptions { config, ..WorldOptions::default() }).await;
    let mut connection = world.database().connect().await;
    let mut lock = connection.begin().await.unwrap();
    // Reading goes on, the commit does not.
    sqlx::query("lock table jobs in share mode").execute(&mut *lock).await.unwrap();
    let (client, guest, mut urls) = (world.client(), world.guest(), Vec::new());
    for order in 0..4 {
        let mut job = phone_job(&guest);
        job["metadata"] = json!({"order": order});
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    eventually("each has called", PATIENCE, async || {
        (world.simulator.calls_of(&guest.code) == 4).then_some(())
    })
    .await;
    // Long enough for more than one look.
    sleep(Duration::from_secs(1)).await;
    lock.rollback().await.unwrap();
    for url in &urls {
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["result"]["phone"]["pure_phone_number"], guest.phone, "{job}");
    }
    assert_eq!(world.simulator.exchanges_of(&guest.code), 1);
    world.wait_until_drained().await;
}

/// Lets every answer go in a minute.
const AGE: &str = "update jobs set purge_at = now() + interval '1 minute'";
/// Whether every answer stays for its retention, which is a day.
const STAYS: &str = "select bool_and(purge_at > now() + interval '23 hours') from jobs";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_duplicate_keeps_the_answer_for_its_own_url() {
    let mut world = World::start(Mode::Distributed).await;
    let mut connection = world.database().connect().await;
    let (client, guest) = (world.client(), world.guest());
    let mut job = phone_job(&guest);
    let first = client.submit_and_wait(&job, 20).await;
    assert_eq!(first.text_at("/status"), "succeeded", "{}", first.text);
    sqlx::query(AGE).execute(&mut connection).await.unwrap();

    job["deadline_seconds"] = json!(290);
    let again = client.submit(&job).await;
    assert_eq!((again.status, again.text_at("/id")), (202, first.text_at("/id")));
    within("the answer outlives the later copy's URL", PATIENCE, async {
        while !sqlx::query_scalar::<_, bool>(STAYS).fetch_one(&mut connection).await.unwrap() {
            sleep(LOOK_PAUSE).await;
        }
    })
    .await;
    let read = client.get(again.text_at("/url")).await;
    assert_eq!(read.text_at("/status"), "succeeded", "{}", read.text);
    assert_eq!(world.simulator.calls_of(&guest.code), 1);
    let ops = client.at(&world.workers[0].metrics);
    eventually("the copy is settled without work", PATIENCE, async || {
        let skipped = "quhao_deliveries_skipped_total{reason=\"answered\"}";
        (ops.metric(skipped).await == 1).then_some(())
    })
    .await;
    world.wait_until_drained().await;
}
