//! A worker that cannot reach the store leaves its jobs to others; a producer takes jobs
//! without it.

use std::time::Duration;

use quhao_tests::{
    config::Mode,
    proxy::Proxy,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;

mod sessions;

/// Adds a worker that reaches the store through the proxy.
async fn cut_off_worker(world: &mut World) -> Proxy {
    let (proxy, url) = Proxy::for_url(world.database().url(), 5432).await;
    world.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    proxy
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_cut_off_from_the_store_requeues_its_jobs() {
    let mut world =
        World::with(Mode::Distributed, WorldOptions { workers: 0, ..WorldOptions::default() })
            .await;
    let proxy = cut_off_worker(&mut world).await;
    let client = world.client();
    let readyz = client.at(&world.workers[0].metrics);
    proxy.cut();

    let mut urls = Vec::new();
    for _ in 0..30 {
        let reply = client.submit(&phone_job(&world.guest())).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    eventually("the worker says that it takes nothing", PATIENCE, async || {
        let reply = readyz.get("/readyz").await;
        let reasons = reply.body["reasons"].to_string();
        (reply.status == 503 && reasons.contains("not subscribed")).then_some(())
    })
    .await;
    world.add_worker().await;
    for url in urls {
        let job = client.wait_until_done(&url, Duration::from_secs(20)).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    assert_eq!(world.simulator.counts().calls, 30, "the one that was cut off called nobody");

    proxy.mend();
    eventually("the worker is ready again", PATIENCE, async || {
        (readyz.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    world.wait_until_drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_kept_until_the_store_is_back() {
    let mut world =
        World::with(Mode::Distributed, WorldOptions { workers: 0, ..WorldOptions::default() })
            .await;
    world.simulator.set_latency(Duration::from_secs(1));
    let proxy = cut_off_worker(&mut world).await;
    let client = world.client();
    let mut urls = Vec::new();
    for _ in 0..10 {
        let reply = client.submit(&phone_job(&world.guest())).await;
        urls.push(reply.text_at("/url").to_owned());
    }
    eventually("every exchange to begin", PATIENCE, async || {
        (world.simulator.counts().calls == 10).then_some(())
    })
    .await;
    proxy.cut();
    let readyz = client.at(&world.workers[0].metrics);
    eventually("the worker has noticed", PATIENCE, async || {
        (readyz.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    proxy.mend();
    for url in urls {
        let job = client.wait_until_done(&url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    assert_eq!(world.simulator.counts().calls, 10, "no code was spent twice");
    world.wait_until_drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_started_without_the_store_accepts_jobs() {
    let options = WorldOptions { producers: 0, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let (proxy, store) = Proxy::for_url(world.database().url(), 5432).await;
    proxy.refuse();
    world.add_producer_with(&[("QUHAO__STORE__URL", &store)]).await;
    let client = world.client();
    let reply = client.submit(&phone_job(&world.guest())).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let url = reply.text_at("/url").to_owned();
    // With or without waiting, a poll answers that the result is unknown: the job exists.
    for headers in [&[][..], &[("prefer", "wait=2")]] {
        let poll = client.get_with(&url, headers).await;
        let answer = (poll.status, poll.text_at("/code"));
        assert_eq!(answer, (503, "store_unavailable"), "{}", poll.text);
        let seconds: u64 = poll.header("retry-after").parse().expect("seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    // A submission that waited is answered with the URL to poll.
    let waited = client.submit_and_wait(&phone_job(&world.guest()), 2).await;
    assert_eq!((waited.status, waited.text_at("/status")), (202, "queued"), "{}", waited.text);
    let readyz = client.get("/readyz").await;
    assert_eq!((readyz.status, &readyz.body["ready"]), (200, &json!(true)), "{}", readyz.text);
    assert_eq!(readyz.body["store"]["up"], false, "{}", readyz.text);
    assert!(!readyz.text_at("/store/reason").is_empty(), "{}", readyz.text);

    proxy.mend();
    for url in [url, waited.text_at("/url").to_owned()] {
        eventually("the job can be read", PATIENCE, async || {
            (client.get(&url).await.text_at("/status") == "succeeded").then_some(())
        })
        .await;
    }
    eventually("readiness names nothing any more", PATIENCE, async || {
        let readyz = client.get("/readyz").await;
        (readyz.body["store"] == json!({"up": true, "reason": null})).then_some(())
    })
    .await;
}
