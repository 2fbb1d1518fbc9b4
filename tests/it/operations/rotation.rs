//! Secrets are rotated under load, in the two documented steps, and nobody notices.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use quhao_common::domain::id::parse_for_operator;
use quhao_tests::{
    client::Client,
    config::Mode,
    in_both_modes,
    proxy::Proxy,
    reload::{Reading, numbered_secret, put, reload},
    services,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;
use tempfile::TempDir;

in_both_modes!(secrets_rotate_under_load);

/// Jobs that are accepted in each state of the rotation.
const JOBS: usize = 40;
/// Between two submissions of a client.
const PAUSE: Duration = Duration::from_millis(20);

/// The files of `[secrets]`.
struct Secrets {
    folder: TempDir,
    id: [String; 2],
    seal: [String; 2],
}

impl Secrets {
    fn new() -> Self {
        let pair = || [numbered_secret(1), numbered_secret(2)];
        let secrets = Self { folder: TempDir::new().unwrap(), id: pair(), seal: pair() };
        secrets.list(&[0]);
        secrets
    }

    /// Writes the files, with these secrets in this order.
    fn list(&self, order: &[usize]) {
        for (name, secrets) in [("id", &self.id), ("seal", &self.seal)] {
            let lines: Vec<_> = order.iter().map(|at| format!("{}\n", secrets[*at])).collect();
            put(&self.folder.path().join(name), &lines.concat());
        }
    }

    fn toml(&self) -> String {
        let path = |name| self.folder.path().join(name).display().to_string();
        format!("[secrets]\nid_file = '{}'\nseal_file = '{}'\n", path("id"), path("seal"))
    }
}

/// Submits jobs until it is asked to stop, and returns the URLs to poll.
async fn submit(
    world: &World,
    clients: &[Client],
    accepted: &AtomicUsize,
    stop: &AtomicBool,
) -> Vec<String> {
    let mut urls = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let client = &clients[urls.len() % clients.len()];
        let reply = client.submit(&phone_job(&world.guest())).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
        accepted.store(urls.len(), Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    urls
}

fn key_number(url: &str) -> u8 {
    let id = url.trim_start_matches("/v1/jobs/").split('?').next().unwrap();
    parse_for_operator(id).expect("an id").0
}

async fn secrets_rotate_under_load(mode: Mode) {
    let secrets = Secrets::new();
    let (producers, workers) = (2, 2);
    let options =
        WorldOptions { producers, workers, config: secrets.toml(), ..WorldOptions::default() };
    let world = World::with(mode, options).await;
    let clients: Vec<_> =
        world.producers.iter().map(|producer| world.client().at(&producer.address)).collect();
    let early = world.guest();
    let before = clients[0].submit_and_wait(&phone_job(&early), 20).await;
    assert_eq!(before.text_at("/status"), "succeeded", "{}", before.text);
    let handle = before.text_at("/result/session").to_owned();
    assert!(handle.starts_with("ses_"), "{}", before.text);

    let (accepted, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let some_more = async || {
        let wanted = accepted.load(Ordering::Relaxed) + JOBS;
        eventually("further jobs", PATIENCE, async || {
            (accepted.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    };
    let rotate = async {
        some_more().await;
        for order in [&[0, 1], &[1, 0]] {
            secrets.list(order);
            reload(&world, Reading::Applied).await;
            some_more().await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (urls, ()) = tokio::join!(submit(&world, &clients, &accepted, &stop), rotate);

    for url in &urls {
        let job = clients[0].wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let counts = world.simulator.counts();
    assert_eq!(counts.exchanges, urls.len() as u64 + 1, "each code once");
    assert_eq!(key_number(&urls[0]), 1);
    assert_eq!(key_number(urls.last().unwrap()), 2);
    // Ids and sessions of before hold, at every producer.
    for client in &clients {
        let again = client.get(before.text_at("/url")).await;
        assert_eq!(again.text_at("/status"), "succeeded", "{}", again.text);
        assert_eq!(again.body["result"]["phone"], before.body["result"]["phone"]);
        assert_ne!(again.text_at("/result/session"), handle, "handles are made with the newest");
        for handle in [&handle, again.text_at("/result/session")] {
            let job = json!({
                "app_id": early.app_id, "session": handle,
                "encrypted_data": early.encrypted_data, "iv": early.iv,
                "metadata": {"try": rand::random::<u32>()},
            });
            let done = client.submit_and_wait(&job, 20).await;
            assert_eq!(done.text_at("/status"), "succeeded", "{}", done.text);
            assert_eq!(done.body["result"]["phone"], before.body["result"]["phone"]);
        }
    }
    assert_eq!(world.simulator.counts().exchanges, counts.exchanges);
}

/// The servers' addresses, with their passwords, may be changed in their files: new
/// connections use what is there then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_connections_use_the_new_urls() {
    let nobody = WorldOptions { producers: 0, workers: 0, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, nobody).await;
    let (old_broker, old_queue_url) = Proxy::for_url(&services::amqp_url(), 5672).await;
    let (old_server, old_store_url) = Proxy::for_url(world.database().url(), 5432).await;
    let (_new_broker, new_queue_url) = Proxy::for_url(&services::amqp_url(), 5672).await;
    let (_new_server, new_store_url) = Proxy::for_url(world.database().url(), 5432).await;
    let folder = TempDir::new().unwrap();
    let (queue, store) = (folder.path().join("queue"), folder.path().join("store"));
    put(&queue, &old_queue_url);
    put(&store, &old_store_url);
    let variables = [
        ("QUHAO__QUEUE__URL_FILE", queue.to_str().unwrap()),
        ("QUHAO__STORE__URL_FILE", store.to_str().unwrap()),
    ];
    world.add_worker_with(&variables).await;
    world.add_producer_with(&variables).await;
    let succeeds = async |what: &str| {
        eventually(what, PATIENCE, async || {
            let reply = world.client().submit_and_wait(&phone_job(&world.guest()), 20).await;
            (reply.text_at("/status") == "succeeded").then_some(())
        })
        .await;
    };
    succeeds("a job over the old links").await;

    put(&queue, &new_queue_url);
    put(&store, &new_store_url);
    reload(&world, Reading::Applied).await;
    succeeds("a job over the old links, which stay").await;
    old_broker.cut();
    old_server.cut();
    succeeds("a job over new links").await;
    let logs = world.logs();
    assert!(!logs.contains("need a restart"), "{logs}");
}
