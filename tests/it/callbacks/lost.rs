//! No callback is lost between a result and its delivery: not with a worker, not with a
//! deadline.

use std::time::Duration;

use quhao_tests::{
    config::Mode,
    in_both_modes,
    receiver::{Behaviour, Receiver},
    wait::PATIENCE,
    world::{World, phone_job},
};
use serde_json::json;

use super::delivery::{job, options, wait_for_status};

in_both_modes!(
    a_worker_that_dies_owes_its_callbacks_to_the_next,
    what_is_under_way_ends_in_a_drain
);

async fn a_worker_that_dies_owes_its_callbacks_to_the_next(mode: Mode) {
    let receiver = Receiver::start().await;
    receiver.otherwise(Behaviour::Hang);
    // One at a time: the second waits while the first hangs. The lease is ten seconds more.
    let settings = "concurrency = 1\ntimeout_seconds = 5";
    let mut world = World::with(mode, options(&receiver, settings, "")).await;
    let first = world.client().submit(&job(&world, &receiver)).await;
    receiver.wait_for(1, PATIENCE).await;
    let second = world.client().submit_and_wait(&job(&world, &receiver), 20).await;
    assert_eq!(second.text_at("/status"), "succeeded", "{}", second.text);
    assert_eq!(second.text_at("/callback/status"), "due");
    assert_eq!(second.body["callback"]["attempts"], json!(0), "committed, and not sent");
    world.kill_workers();
    assert_eq!(receiver.received().len(), 1);

    receiver.otherwise(Behaviour::Status(200));
    world.restart_workers().await;
    let requests = receiver.wait_for(3, PATIENCE).await;
    let ids: Vec<&str> = requests.iter().map(|callback| callback.header("webhook-id")).collect();
    let id = |reply: &quhao_tests::client::Reply| format!("{}_succeeded", reply.text_at("/id"));
    // What was under way comes again after its lease, as what it was.
    assert_eq!(ids, [id(&first), id(&second), id(&first)]);
    let client = world.client();
    for (reply, attempts) in [(&first, 2), (&second, 1)] {
        let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;
        assert_eq!(job["callback"]["attempts"], json!(attempts), "{job}");
    }
    assert_eq!(receiver.received().len(), 3);
}

async fn what_is_under_way_ends_in_a_drain(mode: Mode) {
    let receiver = Receiver::start().await;
    receiver.then([Behaviour::Hang]);
    let mut world = World::with(mode, options(&receiver, "timeout_seconds = 1.5", "")).await;
    let reply = world.client().submit(&job(&world, &receiver)).await;
    receiver.wait_for(1, PATIENCE).await;
    let process = match mode {
        Mode::Distributed => &mut world.workers[0].process,
        Mode::Embedded => &mut world.producers[0].process,
    };
    process.terminate();
    assert!(process.wait_exit(PATIENCE).await.success());
    assert_eq!(receiver.received().len(), 1, "nothing new begins");

    world.workers.clear();
    world.restart_workers().await;
    let client = world.client();
    let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;
    // Recorded at once as timed out, so it did not have to wait for the end of its lease.
    assert_eq!(job["callback"]["attempts"], json!(2), "{job}");
    let requests = receiver.received();
    assert!(requests[1].at - requests[0].at < Duration::from_secs(11));
}

/// At a broker a job can pass its deadline in the hands of a worker that is busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_submitted_too_late_gets_a_failure_event() {
    let receiver = Receiver::start().await;
    let mut options = options(&receiver, "", "");
    options.config = format!("[worker]\nconcurrency = 1\n{}", options.config);
    let world = World::with(Mode::Distributed, options).await;
    world.simulator.set_latency(Duration::from_secs(3));
    let client = world.client();
    let slow = client.submit(&phone_job(&world.guest())).await;
    quhao_tests::wait::eventually("the first call", PATIENCE, async || {
        (world.simulator.counts().calls == 1).then_some(())
    })
    .await;
    let mut late = job(&world, &receiver);
    late["deadline_seconds"] = json!(1);
    let late = client.submit(&late).await;
    let mut silent = phone_job(&world.guest());
    silent["deadline_seconds"] = json!(1);
    let silent = client.submit(&silent).await;

    let requests = receiver.wait_for(1, PATIENCE).await;
    let id = late.text_at("/id");
    assert_eq!(requests[0].header("webhook-id"), format!("{id}_failed"));
    let event = requests[0].json();
    assert_eq!(event["type"], "job.failed");
    assert_eq!(event["data"]["error"]["code"], "deadline_exceeded");
    assert_eq!(event["data"]["error"]["advice"], "login_then_tap");
    let job = wait_for_status(&client, late.text_at("/url"), "delivered").await;
    assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
    // One without an address has no row, and reads the same.
    let job = client.wait_until_done(silent.text_at("/url"), PATIENCE).await;
    assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
    assert!(job.get("callback").is_none(), "{job}");
    let job = client.wait_until_done(slow.text_at("/url"), PATIENCE).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(world.simulator.counts().calls, 1, "nobody was called for the late ones");
}
