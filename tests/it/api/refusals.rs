//! Every 503 is honest: what was refused is not done, what may be done says so, and the
//! same may be sent again.

use std::time::Duration;

use quhao_tests::{
    client::Reply,
    config::Mode,
    proxy::Proxy,
    services,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;

fn assert_problem(reply: &Reply, code: &str) {
    assert_eq!((reply.status, reply.text_at("/code")), (503, code), "{}", reply.text);
    let seconds: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}

async fn without_workers(config: &str) -> World {
    let options = WorldOptions { workers: 0, config: config.to_owned(), ..WorldOptions::default() };
    World::with(Mode::Distributed, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_overloaded_and_takes_again() {
    let mut world = without_workers("[queue]\nlength_max = 5\n").await;
    let client = world.client();
    let mut accepted = Vec::new();
    let refused = loop {
        let guest = world.guest();
        let reply = client.submit(&phone_job(&guest)).await;
        if reply.status != 202 {
            assert_problem(&reply, "overloaded");
            break guest;
        }
        accepted.push(reply.text_at("/url").to_owned());
        assert!(accepted.len() < 50, "the limit is soft, but not that soft");
    };
    world.add_worker().await;
    for url in accepted {
        let job = client.wait_until_done(&url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let again = client.submit_and_wait(&phone_job(&refused), 20).await;
    assert_eq!(again.text_at("/status"), "succeeded", "{}", again.text);
    assert_eq!(world.simulator.calls_of(&refused.code), 1, "what was refused was not done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_broker_is_unavailable_silent_is_unconfirmed() {
    let config = "[queue]\nconfirm_timeout_seconds = 1\nheartbeat_seconds = 2\n";
    let mut world = without_workers(config).await;
    let (proxy, url) = Proxy::for_url(&services::amqp_url(), 5672).await;
    world.add_producer_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let client = world.client().at(&world.producers[1].address);

    let silent = world.guest();
    proxy.stall();
    let reply = client.submit(&phone_job(&silent)).await;
    assert_problem(&reply, "unconfirmed");
    let (id, url) = (reply.text_at("/id").to_owned(), reply.text_at("/url").to_owned());
    assert!(url.starts_with(&format!("/v1/jobs/{id}?expires=")), "{}", reply.text);

    proxy.cut();
    let gone = world.guest();
    eventually("submits are refused at once", PATIENCE, async || {
        let reply = client.submit(&phone_job(&gone)).await;
        (reply.text_at("/code") == "broker_unavailable")
            .then(|| assert_problem(&reply, "broker_unavailable"))
    })
    .await;
    assert_eq!(client.get("/readyz").await.status, 503);
    assert_eq!(client.get("/livez").await.status, 200);

    proxy.mend();
    eventually("the producer is ready again", PATIENCE, async || {
        (client.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let again = client.submit(&phone_job(&silent)).await;
    assert_eq!((again.status, again.text_at("/id")), (202, id.as_str()), "it stays the same job");
    world.add_worker().await;
    let job = client.wait_until_done(again.text_at("/url"), PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(world.simulator.exchanges_of(&silent.code), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_accepts_jobs_and_polls_503_without_store() {
    let mut world = World::start(Mode::Distributed).await;
    let (proxy, url) = Proxy::for_url(world.database().url(), 5432).await;
    world.add_producer_with(&[("QUHAO__STORE__URL", &url)]).await;
    let client = world.client().at(&world.producers[1].address);
    let reply = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    let session = format!("/v1/sessions/{}", reply.text_at("/result/session"));
    assert_eq!(client.get(&session).await.status, 200, "{}", reply.text);
    proxy.cut();

    let reply = client.submit(&phone_job(&world.guest())).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let url = reply.text_at("/url").to_owned();
    assert_problem(&client.get(&url).await, "store_unavailable");
    assert_problem(&client.get(&session).await, "store_unavailable");
    assert_problem(&client.delete(&url).await, "store_unavailable");
    for whom in [json!({"openid": "o"}), json!({"e164": "+8613580006666"})] {
        assert_problem(&client.post("/v1/erasures", &whom).await, "store_unavailable");
    }
    let readyz = client.get("/readyz").await;
    assert_eq!(readyz.status, 200, "a store that is away is no reason to be taken out");
    assert!(readyz.text.contains("store"), "{}", readyz.text);

    proxy.mend();
    eventually("the job can be read", Duration::from_secs(20), async || {
        (client.get(&url).await.text_at("/status") == "succeeded").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_row_the_url_decides() {
    let world = without_workers("").await;
    let client = world.client();
    let reply = client.submit(&phone_job(&world.guest())).await;
    let id = reply.text_at("/id").to_owned();
    for (query, status, code) in [
        ("", 404, "no_result"),
        ("?expires=1", 410, "gone"),
        ("?expires=soon", 422, "invalid_request"),
        ("?expires=99999999999", 422, "invalid_request"),
    ] {
        let reply = client.get(&format!("/v1/jobs/{id}{query}")).await;
        assert_eq!((reply.status, reply.text_at("/code")), (status, code), "{}", reply.text);
    }
    assert_eq!(client.get(reply.text_at("/url")).await.text_at("/status"), "queued");
}
