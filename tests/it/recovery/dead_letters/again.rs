//! A job that is submitted again after its deadline passed: the new copy has a deadline of
//! its own.

use std::time::{Duration, SystemTime};

use quhao_simulator::{Action, Endpoint, PhoneTapSpec};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    receiver::Receiver,
    wait::{PATIENCE, eventually, within},
    world::{World, with_deadline},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::DEADLINE;
use crate::callbacks::delivery::{job, options, wait_for_status};

in_both_modes!(a_copy_is_worked_on_until_its_own_deadline,);

/// So long that in no test a failure is published before another outcome replaces it.
const LONG_GRACE: &str = "[store]\nstatement_timeout_seconds = 30\n";

/// Makes `jobs` fail with `deadline_exceeded`: each worker that runs them is killed. Returns
/// their URLs.
async fn expired(world: &mut World, jobs: &[Value]) -> Vec<String> {
    let (client, mut urls, mut last) = (world.client(), Vec::new(), String::new());
    for job in jobs {
        let reply = client.submit(job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
        reply.text_at("/expires_at").clone_into(&mut last);
    }
    eventually("all are being worked on", PATIENCE, async || {
        (world.simulator.counts().calls >= jobs.len() as u64).then_some(())
    })
    .await;
    world.kill_workers();
    let last = SystemTime::from(OffsetDateTime::parse(&last, &Rfc3339).unwrap());
    eventually("all deadlines are over", PATIENCE, async || {
        (SystemTime::now() > last + Duration::from_millis(1_100)).then_some(())
    })
    .await;
    world.restart_workers().await;
    let client = world.client();
    for url in &urls {
        // Long before the grace is over, so there is a row that says so.
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
        assert_eq!(job["app_id"], APP, "{job}");
    }
    urls
}

async fn a_copy_is_worked_on_until_its_own_deadline(mode: Mode) {
    let receiver = Receiver::start().await;
    let mut world = World::with(mode, options(&receiver, LONG_GRACE, "")).await;
    let mut jobs: Vec<Value> =
        (0..3).map(|_| with_deadline(job(&world, &receiver), DEADLINE)).collect::<Vec<_>>();
    // What becomes of the first copy of each, and of the next.
    for (job, then) in jobs.iter().zip([None, None, Some(Action::Errcode(40029))]) {
        let actions = [Some(Action::Hang { burn: false }), then];
        world
            .simulator
            .script_code(job["code"].as_str().unwrap(), actions.into_iter().flatten())
            .unwrap();
    }
    let urls = expired(&mut world, &jobs).await;
    for job in &mut jobs {
        job["deadline_seconds"] = json!(60);
    }
    world.simulator.set_latency(Duration::from_millis(500));
    let client = world.client();

    // Who waits waits for the new copy.
    let reply = client.submit_and_wait(&jobs[0], 20).await;
    assert_eq!((reply.status, reply.text_at("/status")), (200, "succeeded"), "{}", reply.text);
    // So does who polls its URL.
    let reply = client.submit(&jobs[1]).await;
    let poll = client.get(reply.text_at("/url")).await;
    assert_ne!(poll.text_at("/status"), "failed", "{}", poll.text);
    let succeeded = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
    assert_eq!(succeeded["status"], "succeeded", "{succeeded}");
    for url in &urls[..2] {
        let poll = client.get(url).await;
        assert_eq!(poll.text_at("/status"), "succeeded", "{}", poll.text);
        let job = wait_for_status(&client, url, "delivered").await;
        let id = job["id"].as_str().unwrap();
        let requests: Vec<_> = receiver.received();
        let ids = requests.iter().map(|request| request.header("webhook-id"));
        let ids: Vec<_> = ids.filter(|sent| sent.starts_with(id)).collect();
        assert_eq!(ids, [format!("{id}_succeeded")], "the failure's callback was cancelled");
    }

    // One that fails again has the same failure; its event is sent at once.
    let reply = client.submit_and_wait(&jobs[2], 20).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.text_at("/error/code"), "deadline_exceeded", "{}", reply.text);
    let poll = client.get(reply.text_at("/url")).await;
    assert_eq!(poll.text_at("/status"), "failed", "{}", poll.text);
    assert_eq!(world.simulator.calls_of(jobs[2]["code"].as_str().unwrap()), 2);
}

/// While the end of the first copy waits for its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_of_an_expired_job_is_worked_on() {
    let receiver = Receiver::start().await;
    let world = World::with(Mode::Distributed, options(&receiver, LONG_GRACE, "")).await;
    // Reading goes on, writing does not.
    let mut writer = world.database().connect().await;
    let mut lock = writer.begin().await.unwrap();
    lock.execute("lock table jobs in share mode").await.unwrap();

    let tokens = world.simulator.at(Endpoint::StableToken);
    tokens.script_next(vec![Action::Hang { burn: false }; 10]).unwrap();
    let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP));
    let mut job = json!({
        "app_id": APP, "phone_code": tap.phone_code, "deadline_seconds": 1,
        "callback_url": receiver.url("/hooks"),
    });
    let (client, mut looker) = (world.client(), world.database().connect().await);
    let reply = client.submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let waiting = "select exists (select from pg_locks where relation = 'jobs'::regclass \
                   and not granted)";
    within("its end waits for the commit", PATIENCE, async {
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut looker).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    job["deadline_seconds"] = json!(60);
    let reply = client.submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    eventually("the copy is with the worker", PATIENCE, async || {
        let metrics = client.at(&world.workers[0].metrics);
        let first_deliveries = "quhao_deliveries_total{redelivered=\"false\"}";
        (metrics.metric(first_deliveries).await == 2).then_some(())
    })
    .await;
    tokens.clear_script();
    lock.commit().await.unwrap();
    let job = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], tap.phone, "{job}");
}
