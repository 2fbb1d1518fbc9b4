//! A worker that must end while it cannot reach the store: its outcomes travel to another.

use std::time::Duration;

use quhao_simulator::User;
use quhao_tests::{
    broker,
    client::Client,
    config::Mode,
    proxy::Proxy,
    services,
    wait::{PATIENCE, eventually},
    world::{Worker, World, WorldOptions, phone_job},
};

/// The jobs of a test.
const JOBS: u32 = 12;

/// Starts a world without workers.
async fn without_workers(config: &str) -> World {
    let options = WorldOptions { workers: 0, config: config.to_owned(), ..WorldOptions::default() };
    World::with(Mode::Distributed, options).await
}

/// Adds a worker that reaches the store through a proxy.
async fn cut_off_worker(world: &mut World, variables: &[(&str, &str)]) -> Proxy {
    let (proxy, url) = Proxy::for_url(world.database().url(), 5432).await;
    let mut variables = variables.to_vec();
    variables.push(("QUHAO__STORE__URL", &url));
    world.add_worker_with(&variables).await;
    proxy
}

/// Submits jobs and returns each with its guest and its URL while its exchange runs.
async fn jobs_under_way(world: &World) -> Vec<(User, String)> {
    let client = world.client();
    world.simulator.set_latency(Duration::from_secs(1));
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        let guest = world.guest();
        let reply = client.submit(&phone_job(&guest)).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        jobs.push((guest, reply.text_at("/url").to_owned()));
    }
    eventually("every exchange to begin", PATIENCE, async || {
        (world.simulator.counts().calls == u64::from(JOBS)).then_some(())
    })
    .await;
    jobs
}

/// Returns how many messages wait in `P.jobs` (and `P.unrouted`), `P.resume` and `P.dead`.
async fn depths(world: &World) -> [Option<u32>; 3] {
    let (url, queues) = (services::amqp_url(), world.queues());
    [
        broker::ready(&url, &queues[..2]).await,
        broker::ready(&url, &queues[2..3]).await,
        broker::ready(&url, &queues[3..]).await,
    ]
}

async fn says(worker: &Worker, client: &Client, reason: &str) {
    let readyz = client.at(&worker.metrics);
    eventually(&format!("the worker says {reason:?}"), PATIENCE, async || {
        let reply = readyz.get("/readyz").await;
        (reply.status == 503 && reply.text.contains(reason)).then_some(())
    })
    .await;
}

/// Asserts that the worker exits and leaves its outcomes at the broker.
async fn ends_and_hands_over(world: &mut World) {
    let mut worker = world.workers.remove(0);
    worker.process.terminate();
    let status = worker.process.wait_exit(PATIENCE).await;
    assert!(status.success(), "{status}");
    assert_eq!(depths(world).await, [Some(0), Some(JOBS), Some(0)], "outcomes, and no job");
    let handed_over =
        worker.process.log_fields("handed outcomes over, for other workers to commit");
    assert!(handed_over.is_some(), "{}", worker.process.log());
}

/// Asserts that another worker commits what was handed over, without any call.
async fn another_commits(world: &mut World, jobs: &[(User, String)]) {
    world.add_worker().await;
    let client = world.client();
    for (guest, url) in jobs {
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        assert_eq!(job["result"]["phone"]["pure_phone_number"], guest.phone.as_str());
        assert_eq!(world.simulator.calls_of(&guest.code), 1);
    }
    let metrics = client.at(&world.workers[0].metrics);
    let committed = metrics.metric("quhao_outcomes_handed_over_total{result=\"committed\"}").await;
    assert_eq!(committed, u64::from(JOBS));
    world.wait_until_drained().await;
    assert_eq!(depths(world).await, [Some(0); 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_of_a_worker_without_store_are_committed() {
    let mut world = without_workers("").await;
    let proxy = cut_off_worker(&mut world, &[]).await;
    let jobs = jobs_under_way(&world).await;
    proxy.cut();
    let client = world.client();
    says(&world.workers[0], &client, "the store is out of reach").await;
    says(&world.workers[0], &client, "not subscribed").await;
    // No answer is lost, and none is there yet.
    for (_, url) in &jobs {
        assert_eq!(client.get(url).await.text_at("/status"), "queued");
    }
    ends_and_hands_over(&mut world).await;
    another_commits(&mut world, &jobs).await;
}

/// The worker does not know yet that the store says nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_survive_a_store_that_falls_silent() {
    let mut world = without_workers("drain_seconds = 8\n").await;
    let proxy = cut_off_worker(&mut world, &[]).await;
    let jobs = jobs_under_way(&world).await;
    proxy.stall();
    ends_and_hands_over(&mut world).await;
    another_commits(&mut world, &jobs).await;
}

/// Nothing is handed over when the store comes back in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ends_commits_if_it_can() {
    let mut world = without_workers("").await;
    let proxy = cut_off_worker(&mut world, &[]).await;
    let jobs = jobs_under_way(&world).await;
    proxy.cut();
    let mut worker = world.workers.remove(0);
    worker.process.terminate();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(worker.process.is_running(), "{}", worker.process.log());
    proxy.mend();
    assert!(worker.process.wait_exit(PATIENCE).await.success());
    assert_eq!(depths(&world).await, [Some(0); 3]);
    let client = world.client();
    for (_, url) in &jobs {
        assert_eq!(client.get(url).await.text_at("/status"), "succeeded");
    }
}

/// Neither the store nor the broker can be reached: the sessions are lost, and say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_that_nobody_takes_end_session_lost() {
    let mut world = without_workers("drain_seconds = 4\n").await;
    let (queue, queue_url) = Proxy::for_url(&services::amqp_url(), 5672).await;
    let store = cut_off_worker(&mut world, &[("QUHAO__QUEUE__URL", &queue_url)]).await;
    let jobs = jobs_under_way(&world).await;
    store.cut();
    queue.cut();
    let mut worker = world.workers.remove(0);
    worker.process.terminate();
    assert!(worker.process.wait_exit(PATIENCE).await.success());
    let lost = "lost outcomes: neither the store nor the queue took them in time";
    let lost = worker.process.log_fields(lost).expect("it says so");
    assert_eq!(lost["outcomes"], JOBS);

    world.add_worker().await;
    let client = world.client();
    for (_, url) in &jobs {
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["error"]["code"], "session_lost", "{job}");
    }
    world.wait_until_drained().await;
}

/// Bodies that no worker of this build made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_outcome_is_dropped_later_builds_is_kept() {
    let mut world = World::start(Mode::Distributed).await;
    let (url, queue) = (services::amqp_url(), world.queues()[2].clone());
    let client = world.client();
    let metrics = client.at(&world.workers[0].metrics);
    // Sealed with a key that it has, or so it says.
    broker::publish(&url, &queue, &[&[0x81, 1][..], &[7; 40]].concat()).await;
    for line in [
        "quhao_outcomes_handed_over_total{result=\"damaged\"}",
        "quhao_dead_letters_total{reason=\"rejected\",result=\"unreadable\"}",
    ] {
        eventually(line, PATIENCE, async || (metrics.metric(line).await == 1).then_some(())).await;
    }
    assert_eq!(depths(&world).await, [Some(0); 3]);

    broker::publish(&url, &queue, &[0x82; 40]).await;
    says(&world.workers[0], &client, "envelope version 130 is unknown").await;
    broker::delete_queue(&url, &queue).await;
    world.workers[0].process.kill_9();
    world.workers.clear();
    world.add_worker().await;
    world.wait_until_drained().await;
}

/// A large batch would never come to its end at this store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_gets_smaller_batches() {
    const SLOW: &str = "
        create function slow() returns trigger language plpgsql
            as $$ begin perform pg_sleep(0.15); return new; end $$;
        create trigger slow before insert on jobs for each row execute function slow()";
    let mut world = without_workers("[store]\nstatement_timeout_seconds = 1\n").await;
    world.simulator.set_latency(Duration::from_millis(500));
    let mut connection = world.database().connect().await;
    sqlx::raw_sql(SLOW).execute(&mut connection).await.unwrap();
    let client = world.client();
    let mut urls = Vec::new();
    for _ in 0..24 {
        let reply = client.submit(&phone_job(&world.guest())).await;
        urls.push(reply.text_at("/url").to_owned());
    }
    world.add_worker().await;
    for url in urls {
        let job = client.wait_until_done(&url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let metrics = client.at(&world.workers[0].metrics);
    assert!(metrics.metric("quhao_commits_failed_total").await > 0, "it was never too slow");
    assert_eq!(world.simulator.counts().calls, 24);
    world.wait_until_drained().await;
}
