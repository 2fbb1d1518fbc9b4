//! Jobs that expire in the queue: a job with a callback fails once no other outcome of it can
//! be under way.

use std::time::{Duration, SystemTime};

use quhao_simulator::Action;
use quhao_tests::{
    broker,
    config::Mode,
    in_both_modes,
    receiver::Receiver,
    reload::{Reading, numbered_secret, put, reload_one},
    services,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job, with_deadline},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::callbacks::delivery::{job, options, wait_for_status};

mod again;

in_both_modes!(job_expired_in_the_queue_fails_after_the_grace,);

/// The deadline of a job that expires, in seconds.
const DEADLINE: u64 = 2;
/// Time-out, commit time-out and five seconds.
const GRACE: Duration = Duration::from_millis(5_700);

fn short_grace(receiver: &Receiver) -> WorldOptions {
    let mut options = options(receiver, "", "");
    options.config.push_str(
        "[platforms.wechat]\ntimeout_seconds = 0.5\n[store]\nstatement_timeout_seconds = 0.2\n",
    );
    options
}

/// Returns the counts of dead letters, by reason and result, sorted.
async fn dead_letter_counts(world: &World) -> String {
    let metrics = world.client().at(&world.worker_metrics()).metrics().await;
    metrics.lines("quhao_dead_letters_total").join("\n")
}

async fn job_expired_in_the_queue_fails_after_the_grace(mode: Mode) {
    let receiver = Receiver::start().await;
    let mut world = World::with(mode, short_grace(&receiver)).await;
    // Both are in the hands of a worker that dies with them.
    let called_back = with_deadline(job(&world, &receiver), DEADLINE);
    let silent = with_deadline(phone_job(&world.guest()), DEADLINE);
    let client = world.client();
    let mut replies = Vec::new();
    for job in [&called_back, &silent] {
        let code = job["code"].as_str().unwrap();
        world.simulator.script_code(code, vec![Action::Hang { burn: false }; 3]).unwrap();
        replies.push(client.submit(job).await);
    }
    eventually("both are being worked on", PATIENCE, async || {
        (world.simulator.counts().calls >= 2).then_some(())
    })
    .await;
    world.kill_workers();
    let calls = world.simulator.counts().calls;
    let expires = replies[0].text_at("/expires_at");
    let expires = SystemTime::from(OffsetDateTime::parse(expires, &Rfc3339).unwrap());
    eventually("both deadlines are over", PATIENCE, async || {
        (SystemTime::now() > expires + Duration::from_millis(1_100)).then_some(())
    })
    .await;
    world.restart_workers().await;

    let client = world.client();
    let recorded = "quhao_dead_letters_total{reason=\"expired\",result=\"recorded\"} 1";
    let forgotten = "quhao_dead_letters_total{reason=\"expired\",result=\"dropped\"} 1";
    let both = format!("{forgotten}\n{recorded}");
    eventually("both are buried", PATIENCE, async || {
        (dead_letter_counts(&world).await == both).then_some(())
    })
    .await;
    let requests = receiver.wait_for(1, PATIENCE).await;
    assert!(SystemTime::now() > expires + GRACE, "an outcome could still have been on its way");
    let id = replies[0].text_at("/id");
    assert_eq!(requests[0].header("webhook-id"), format!("{id}_failed"));
    let said = requests[0].json();
    assert_eq!(said["type"], "job.failed");
    assert_eq!(said["data"]["error"]["code"], "deadline_exceeded");
    let job = wait_for_status(&client, replies[0].text_at("/url"), "delivered").await;
    assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
    // A job without a callback has no row, and reads the same.
    let job = client.wait_until_done(replies[1].text_at("/url"), PATIENCE).await;
    assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
    assert_eq!(job["app_id"], Value::Null, "only the URL is known");
    assert_eq!(world.simulator.counts().calls, calls, "nobody was called for them any more");
    assert_eq!(receiver.received().len(), 1);
    if mode == Mode::Distributed {
        world.wait_until_drained().await;
        let dead = broker::ready(&services::amqp_url(), &world.queues()[3..]).await;
        assert_eq!(dead, Some(0), "it was settled");
    }
}

/// What others dead-lettered may be of a newer build, or sealed with another key. That is
/// no reason to stop, and none to throw it away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_dead_letter_is_kept_until_readable() {
    let mut world = World::start(Mode::Distributed).await;
    let (url, dead) = (services::amqp_url(), world.queues()[3].clone());
    // Version, id, no appid, and a box that was sealed with k9, or so it says.
    let body = [&[2][..], &[1; 17], &[0, 9], &[7; 40]].concat();
    broker::publish(&url, &dead, &body).await;
    let said = "dead letters cannot be read here, for want of a key or of a newer build: left to \
                others, or read after a reload (SIGHUP)";
    world.workers[0].process.wait_for_log(said, PATIENCE).await;
    let job = world.client().submit_and_wait(&phone_job(&world.guest()), 10).await;
    assert_eq!(job.text_at("/status"), "succeeded", "{}", job.text);
    let ready = world.client().at(&world.workers[0].metrics).get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    assert_eq!(dead_letter_counts(&world).await, "");
    world.workers[0].process.terminate();
    assert!(world.workers[0].process.wait_exit(PATIENCE).await.success());
    world.workers.clear();
    assert_eq!(broker::ready(&url, std::slice::from_ref(&dead)).await, Some(1), "it was kept");

    world.add_worker().await;
    world.workers[0].process.wait_for_log(said, PATIENCE).await;
    let further = format!("[secrets]\nseal = ['{}']\n", numbered_secret(9));
    put(&world.config.folder().join("config.d/seal.toml"), &further);
    let worker = &world.workers[0];
    reload_one(&worker.process, &worker.metrics, Reading::Applied).await;
    let unreadable = "quhao_dead_letters_total{reason=\"other\",result=\"unreadable\"} 1";
    eventually("it is looked at again", PATIENCE, async || {
        (dead_letter_counts(&world).await == unreadable).then_some(())
    })
    .await;
    world.wait_until_drained().await;
    assert_eq!(broker::ready(&url, &[dead]).await, Some(0), "it was settled");
}
