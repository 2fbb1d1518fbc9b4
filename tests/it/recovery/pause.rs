//! A worker that meets what it does not know takes nothing, says why, and goes on by
//! itself.

use std::{fs, path::Path, time::Duration};

use quhao_simulator::Action;
use quhao_tests::{
    client::Client,
    config::Mode,
    process::Process,
    reload::{Merchant, Reading, numbered_secret, put, reload, reload_one},
    wait::{PATIENCE, eventually},
    world::{Producer, Worker, World, WorldOptions, phone_job},
};
use serde_json::Value;
use tempfile::TempDir;

/// Starts a worker with a configuration of its own, which begins as a copy of the producer's.
async fn worker_apart(world: &World, folder: &TempDir) -> Worker {
    let text = fs::read_to_string(world.config.path()).unwrap();
    put(&folder.path().join("quhao.toml"), &text);
    let mut process = spawned("worker", &folder.path().join("quhao.toml"));
    let metrics = address(&process.wait_for_log("worker running", PATIENCE).await, "metrics");
    Worker { process, metrics }
}

fn spawned(command: &str, config: &Path) -> Process {
    Process::spawn(&[command.as_ref(), "--config".as_ref(), config.as_os_str()], &[])
}

fn address(fields: &Value, name: &str) -> String {
    fields[name].as_str().unwrap().to_owned()
}

async fn is_ready(metrics: &str, limit: Duration) {
    let probes = Client::new(metrics, "").with_key(None);
    eventually("the worker is ready", limit, async || {
        (probes.get("/readyz").await.status == 200).then_some(())
    })
    .await;
}

async fn is_paused(metrics: &str, reason: &str) {
    let probes = Client::new(metrics, "").with_key(None);
    eventually(&format!("the worker is unready: {reason}"), PATIENCE, async || {
        let reply = probes.get("/readyz").await;
        (reply.status == 503 && reply.body["reasons"].to_string().contains(reason)).then_some(())
    })
    .await;
}

/// Returns how many deliveries a worker has received.
async fn deliveries(metrics: &str) -> u64 {
    Client::new(metrics, "").with_key(None).metric("quhao_deliveries_total").await
}

async fn accepted(client: &Client, job: &Value) -> String {
    let reply = client.submit(job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.text_at("/url").to_owned()
}

async fn succeeds(client: &Client, url: &str, limit: Duration) {
    let job = client.wait_until_done(url, limit).await;
    assert_eq!(job["status"], "succeeded", "{job}");
}

async fn without_workers() -> World {
    World::with(Mode::Distributed, WorldOptions { workers: 0, ..WorldOptions::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_once_its_app_is_configured() {
    let (world, folder) = (without_workers().await, TempDir::new().unwrap());
    let worker = worker_apart(&world, &folder).await;
    is_ready(&worker.metrics, PATIENCE).await;
    let merchant = Merchant::new("late");
    put(&world.config.folder().join("config.d/late.toml"), &merchant.toml());
    reload(&world, Reading::Applied).await;

    let (client, orders) = (world.client().with_key(Some(&merchant.api_key)), world.client());
    let unknown = accepted(&client, &phone_job(&world.simulator.user(&merchant.app))).await;
    is_paused(&worker.metrics, "app wx_late is not configured").await;
    // A reading that changes nothing about it does not help, and does no harm: were the job
    // given back each time, the broker would set it aside.
    for _ in 0..30 {
        reload_one(&worker.process, &worker.metrics, Reading::Applied).await;
    }
    is_paused(&worker.metrics, "app wx_late is not configured").await;
    let known = accepted(&orders, &phone_job(&world.guest())).await;
    reload_one(&worker.process, &worker.metrics, Reading::Applied).await;
    is_paused(&worker.metrics, "app wx_late is not configured").await;
    assert_eq!(world.simulator.counts().calls, 0, "it takes nothing");

    put(&folder.path().join("config.d/late.toml"), &merchant.toml());
    reload_one(&worker.process, &worker.metrics, Reading::Applied).await;
    succeeds(&client, &unknown, PATIENCE).await;
    succeeds(&orders, &known, PATIENCE).await;
    is_ready(&worker.metrics, PATIENCE).await;
    assert_eq!(world.simulator.counts().calls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_once_its_seal_key_is_configured() {
    let (world, folder) = (without_workers().await, TempDir::new().unwrap());
    let worker = worker_apart(&world, &folder).await;
    is_ready(&worker.metrics, PATIENCE).await;
    let further = format!("[secrets]\nseal = ['{}']\n", numbered_secret(9));
    put(&world.config.folder().join("config.d/seal.toml"), &further);
    reload(&world, Reading::Applied).await;

    let client = world.client();
    let url = accepted(&client, &phone_job(&world.guest())).await;
    is_paused(&worker.metrics, "sealed with key k9").await;
    put(&folder.path().join("config.d/seal.toml"), &further);
    reload_one(&worker.process, &worker.metrics, Reading::Applied).await;
    succeeds(&client, &url, PATIENCE).await;
    is_ready(&worker.metrics, PATIENCE).await;
}

/// The job goes to who knows the app. The others try again after half a minute, without
/// anybody's help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_worker_does_not_know_another_one_does() {
    let (world, folders) = (without_workers().await, [(); 3].map(|()| TempDir::new().unwrap()));
    let mut workers = Vec::new();
    for folder in &folders {
        let worker = worker_apart(&world, folder).await;
        is_ready(&worker.metrics, PATIENCE).await;
        workers.push(worker);
    }
    let merchant = Merchant::new("late");
    put(&world.config.folder().join("config.d/late.toml"), &merchant.toml());
    reload(&world, Reading::Applied).await;
    let client = world.client().with_key(Some(&merchant.api_key));
    let urls = [
        accepted(&client, &phone_job(&world.simulator.user(&merchant.app))).await,
        accepted(&client, &phone_job(&world.simulator.user(&merchant.app))).await,
    ];
    for worker in &workers[..2] {
        is_paused(&worker.metrics, "app wx_late is not configured").await;
    }
    put(&folders[2].path().join("config.d/late.toml"), &merchant.toml());
    reload_one(&workers[2].process, &workers[2].metrics, Reading::Applied).await;
    // A worker that met a job for the second time keeps it until its next try.
    for url in &urls {
        succeeds(&client, url, Duration::from_secs(90)).await;
    }
    for worker in &workers {
        is_ready(&worker.metrics, Duration::from_mins(1)).await;
        assert!(deliveries(&worker.metrics).await <= 12, "jobs went round and round");
    }
    assert_eq!(world.simulator.counts().calls, 2);
}

/// In the test's own database the function that tells the time is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_resumes_once_its_clock_is_right() {
    const WRONG: &str = "
        create schema wrong;
        create function wrong.clock_timestamp() returns timestamptz language sql
            as $$ select pg_catalog.clock_timestamp() + interval '10 seconds' $$;
        do $$ begin execute
            format('alter database %I set search_path = wrong, pg_catalog, public',
                   current_database());
        end $$";
    let (world, folder) = (without_workers().await, TempDir::new().unwrap());
    let mut connection = world.database().connect().await;
    sqlx::raw_sql(WRONG).execute(&mut connection).await.unwrap();
    let worker = worker_apart(&world, &folder).await;
    is_paused(&worker.metrics, "this machine's clock is 10").await;
    let client = world.client();
    let url = accepted(&client, &phone_job(&world.guest())).await;
    is_paused(&worker.metrics, "this machine's clock is 10").await;
    assert_eq!(world.simulator.counts().calls, 0);

    sqlx::raw_sql("drop schema wrong cascade").execute(&mut connection).await.unwrap();
    succeeds(&client, &url, PATIENCE).await;
    is_ready(&worker.metrics, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_process_resumes_once_app_is_configured() {
    let mut world = World::start(Mode::Embedded).await;
    let merchant = Merchant::new("forgotten");
    let file = world.config.folder().join("config.d/forgotten.toml");
    put(&file, &merchant.toml());
    reload(&world, Reading::Applied).await;
    let guest = world.simulator.user(&merchant.app);
    world.simulator.script_code(&guest.code, [Action::Hang { burn: false }]).unwrap();
    let client = world.client().with_key(Some(&merchant.api_key));
    let url = accepted(&client, &phone_job(&guest)).await;
    eventually("the job is being worked on", PATIENCE, async || {
        (world.simulator.calls_of(&guest.code) == 1).then_some(())
    })
    .await;

    // Its queue outlives it, and the app is forgotten meanwhile.
    world.producers.clear();
    fs::remove_file(&file).unwrap();
    let mut process = spawned("serve", &world.config.path());
    let fields = process.wait_for_log("producer listening", PATIENCE).await;
    let (http, metrics) = (address(&fields, "http"), address(&fields, "metrics"));
    process.wait_for_log("worker running", PATIENCE).await;
    world.producers.push(Producer { process, address: http, metrics });
    let metrics = world.worker_metrics();
    is_paused(&metrics, "app wx_forgotten is not configured").await;

    put(&file, &merchant.toml());
    reload(&world, Reading::Applied).await;
    let client = world.client().with_key(Some(&merchant.api_key));
    succeeds(&client, &url, PATIENCE).await;
    is_ready(&metrics, PATIENCE).await;
    assert_eq!(world.simulator.calls_of(&guest.code), 2);
}
