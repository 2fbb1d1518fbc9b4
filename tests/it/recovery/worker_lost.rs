//! Workers that die, and workers that must not touch what they are given.

use std::{fs, time::Duration};

use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    process::Process,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_before_commit_ends_session_lost() {
    let mut world = World::start(Mode::Distributed).await;
    world.simulator.set_latency(Duration::from_secs(3));
    let client = world.client();
    let mut jobs = Vec::new();
    for _ in 0..5 {
        let guest = world.guest();
        let mut job = phone_job(&guest);
        job["deadline_seconds"] = json!(20);
        let reply = client.submit(&job).await;
        jobs.push((guest, reply.text_at("/url").to_owned()));
    }
    // WeChat takes a code when the call arrives, so by now all five are spent.
    eventually("every exchange to begin", PATIENCE, async || {
        (world.simulator.counts().calls == 5).then_some(())
    })
    .await;
    world.workers[0].process.kill_9();
    world.workers.clear();
    world.simulator.set_latency(Duration::ZERO);
    let later = world.guest();
    let later = client.submit(&phone_job(&later)).await.text_at("/url").to_owned();
    world.add_worker().await;

    let job = client.wait_until_done(&later, PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "the next ones are not held up: {job}");
    for (guest, url) in jobs {
        let job = client.wait_until_done(&url, PATIENCE).await;
        assert_eq!(job["error"]["code"], "session_lost", "{job}");
        assert_eq!(job["error"]["advice"], "login_then_tap");
        assert_eq!(world.simulator.exchanges_of(&guest.code), 0);
    }
    world.wait_until_drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_without_the_app_leaves_its_jobs_to_others() {
    let options = WorldOptions { workers: 0, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let text = fs::read_to_string(world.config.path()).unwrap();
    let start = text.find(&format!("[[apps]]\nid = '{APP}'")).expect("the app");
    let end = start + text[start..].find("[[clients]]").expect("the next client");
    let other = world.config.folder().join("without-the-app.toml");
    fs::write(&other, format!("{}{}", &text[..start], &text[end..])).unwrap();

    let mut process =
        Process::spawn(&["worker".as_ref(), "--config".as_ref(), other.as_os_str()], &[]);
    let fields = process.wait_for_log("worker running", PATIENCE).await;
    let ops = Client::new(fields["metrics"].as_str().unwrap(), "");
    let client = world.client();
    let reply = client.submit(&phone_job(&world.guest())).await;
    eventually("it says why it takes nothing", PATIENCE, async || {
        let readyz = ops.get("/readyz").await;
        (readyz.status == 503 && readyz.text.contains("is not configured")).then_some(())
    })
    .await;
    world.add_worker().await;
    let job = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    process.terminate();
    assert!(process.wait_exit(PATIENCE).await.success());
}
