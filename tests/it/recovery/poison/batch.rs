//! The same in one message with others, as under load: they come back with it each time,
//! whether they are done or not, and die with it in the end.

use std::{collections::BTreeSet, fmt::Write as _};

use quhao_simulator::User;
use quhao_tests::{
    broker,
    client::Client,
    config::Mode,
    proxy::Proxy,
    receiver::Receiver,
    services,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Jobs, LIMIT, TOGETHER, crash, end_together, is_taken_alone, prepared};
use crate::callbacks::delivery::options;

/// Jobs that fill a message.
const FULL: usize = 16;
/// Neighbours that are not done before all are suspects: so few that none is worked on
/// beside another.
const SLOW: usize = 7;
/// Publishes under way from which on jobs wait for company.
const UNDER_WAY: u64 = 4;

/// Starts a world whose producer reaches the broker through the proxy.
async fn behind_a_proxy(receiver: &Receiver) -> (World, Proxy) {
    let options = options(receiver, "", "");
    let mut options = WorldOptions { producers: 0, ..options };
    let _ =
        writeln!(options.config, "[queue]\ndelivery_limit = {LIMIT}\nconfirm_timeout_seconds = 30");
    let mut world = World::with(Mode::Distributed, options).await;
    let (proxy, url) = Proxy::for_url(&services::amqp_url(), 5672).await;
    world.add_producer_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    (world, proxy)
}

async fn accepted(client: Client, job: Value) -> String {
    let reply = client.submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.text_at("/url").to_owned()
}

/// Submits `jobs` so that they share one message: while the broker confirms nothing, they
/// are the first that wait for company. Gives their URLs in this order, and those of the
/// jobs that went before.
async fn in_one_message(world: &World, proxy: &Proxy, jobs: Vec<Value>) -> [Vec<String>; 2] {
    assert_eq!(jobs.len(), FULL);
    let metrics = world.client().at(&world.producers[0].metrics);
    let published = async |messages: u64| {
        eventually("so many messages are under way", PATIENCE, async || {
            (metrics.metric("quhao_message_jobs_count").await == messages).then_some(())
        })
        .await;
    };
    proxy.hold();
    let (mut alone, mut together) = (JoinSet::new(), JoinSet::new());
    for messages in 1..=UNDER_WAY {
        alone.spawn(accepted(world.client(), phone_job(&world.guest())));
        published(messages).await;
    }
    for (at, job) in jobs.into_iter().enumerate() {
        let client = world.client();
        together.spawn(async move { (at, accepted(client, job).await) });
    }
    published(UNDER_WAY + 1).await;
    let jobs = metrics.metric("quhao_message_jobs_sum").await;
    assert_eq!(jobs, UNDER_WAY + FULL as u64, "one message has all of them");
    proxy.mend();
    let mut together = together.join_all().await;
    together.sort_unstable();
    [together.into_iter().map(|(_, url)| url).collect(), alone.join_all().await]
}

/// Returns the id in a job's URL.
fn id(url: &str) -> &str {
    let (_, id) = url.rsplit_once('/').expect("a path");
    id.split_once('?').map_or(id, |(id, _)| id)
}

/// Checks that word was sent of each job as it ended, and none of anything else.
async fn assert_events_match_answers(receiver: &Receiver, jobs: &Jobs) {
    let succeeded = jobs.neighbours.iter().map(|(_, url)| format!("{}_succeeded", id(url)));
    let failed = format!("{}_failed", id(&jobs.poison.1));
    let expected: BTreeSet<String> = succeeded.chain([failed]).collect();
    let events = || -> BTreeSet<String> {
        receiver.received().iter().map(|word| word.header("webhook-id").to_owned()).collect()
    };
    eventually("an event of each", PATIENCE, async || expected.is_subset(&events()).then_some(()))
        .await;
    assert_eq!(events(), expected);
}

async fn assert_all_succeeded(client: &Client, urls: impl Iterator<Item = &String>) {
    for url in urls {
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
}

/// Checks that only one of the jobs that died together counts as failed.
async fn assert_one_is_to_blame(world: &World) {
    let metrics = world.client().at(&world.worker_metrics());
    let neighbours = FULL as u64 - 1;
    for (name, expected) in [
        ("quhao_dead_letters_total{reason=\"delivery_limit\",result=\"recorded\"}", 1),
        ("quhao_dead_letters_total{reason=\"delivery_limit\",result=\"answered\"}", neighbours),
        ("quhao_jobs_total{outcome=\"dead_lettered\"}", 1),
    ] {
        assert_eq!(metrics.metric(name).await, expected, "{name}");
    }
    let log = world.workers[0].process.log();
    let blamed = log.matches("a job was dead-lettered: it fails with dead_lettered").count();
    assert_eq!(blamed, 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_job_in_a_batch_is_dead_lettered_alone() {
    let receiver = Receiver::start().await;
    let (mut world, proxy) = behind_a_proxy(&receiver).await;
    // What each meets: the last one is done never, the slow ones when they are suspects, the
    // others at once.
    let hangs = |at| match FULL - 1 - at {
        0 => 100,
        1..=SLOW => TOGETHER,
        _ => 0,
    };
    let (guests, bodies): (Vec<User>, Vec<Value>) =
        (0..FULL).map(|at| prepared(&world, &receiver, hangs(at))).unzip();
    let [urls, alone] = in_one_message(&world, &proxy, bodies).await;
    let mut neighbours: Vec<_> = guests.into_iter().zip(urls).collect();
    let poison = neighbours.pop().expect("sixteen");
    let slow = neighbours.split_off(FULL - 1 - SLOW);
    let quick = neighbours;

    let client = world.client();
    let done = quick.iter().map(|(_, url)| url).chain(&alone);
    assert_all_succeeded(&client, done).await;
    let mut jobs = Jobs { poison, neighbours: slow };
    end_together(&mut world, &jobs).await;
    let mut crashes = TOGETHER;
    while is_taken_alone(&world, &jobs, crashes).await {
        crash(&mut world).await;
        crashes += 1;
        assert!(crashes <= LIMIT + 1, "it comes again and again");
    }
    assert_eq!(crashes, LIMIT + 1);

    let job = client.wait_until_done(&jobs.poison.1, PATIENCE).await;
    assert_eq!(job["error"]["code"], "dead_lettered", "{job}");
    let slow = jobs.neighbours.iter().map(|of| (of, TOGETHER + 1));
    for ((guest, url), calls) in slow.chain(quick.iter().map(|of| (of, 1))) {
        assert_eq!(world.simulator.calls_of(&guest.code), calls, "{url}");
        assert_eq!(world.simulator.exchanges_of(&guest.code), 1, "{url}");
    }
    assert_one_is_to_blame(&world).await;
    jobs.neighbours.extend(quick);
    assert_all_succeeded(&client, jobs.neighbours.iter().map(|(_, url)| url)).await;
    assert_events_match_answers(&receiver, &jobs).await;

    world.wait_until_drained().await;
    let dead = broker::ready(&services::amqp_url(), &world.queues()[3..]).await;
    assert_eq!(dead, Some(0), "it was settled");
}
