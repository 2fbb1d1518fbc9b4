//! The queue is full or gone, and the broker ends channels and subscriptions.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    broker::{Broker, delete_queue, ready},
    config::Backing,
    load::{Load, long},
    services,
    wait::{PATIENCE, eventually},
};

use super::{
    broker::{AT_ONCE, closes_again_and_again},
    ground::Ground,
    outcome::since,
    trial::{CONSUMER_RECOVERY_MAX, SUBMIT_RECOVERY_MAX, Trial},
};

/// How long guests come before, between and after.
const WORK: Duration = Duration::from_secs(2);

/// Has the broker find fault with every channel: as if each had acknowledged a delivery that
/// it was never given. What follows is what follows any error of a channel.
const FAIL_CHANNELS: &str = "[Channel ! {'$gen_cast', {method, {'basic.ack', 1000000000, false}, \
                             none, noflow}} || Channel <- rabbit_channel:list()], ok.";

/// Waits until `queue` is there again, and until everybody is ready. How long that took.
async fn is_declared_again(trial: &Trial, queue: &String) -> Duration {
    let deleted = SystemTime::now();
    eventually("it is declared again", PATIENCE, async || {
        ready(&services::amqp_url(), std::slice::from_ref(queue)).await.map(drop)
    })
    .await;
    trial.is_ready(CONSUMER_RECOVERY_MAX).await;
    since(deleted, SystemTime::now())
}

fn queues(ground: &Ground) -> [String; 4] {
    let Backing::Servers { prefix, .. } = &ground.backing else { unreachable!() };
    prefix.queues()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_deleted_is_declared_again() {
    // What waits in it when it is deleted is gone with it, and answered by its deadline and
    // the grace, which is short here.
    let config = "[platforms.wechat]\ntimeout_seconds = 1\n\
                  [store]\nstatement_timeout_seconds = 1\n";
    let ground = Ground::with(1, 2, config).await;
    let [queue, ..] = queues(&ground);
    let load = Load { deadline_seconds: 10, ..Load::until_enough() };
    let mut trial = Trial::of("queue deleted", ground, load);
    trial.crowd.at(WORK).await;
    delete_queue(&services::amqp_url(), &queue).await;
    trial.has_lost_its_queue();
    let deleted = SystemTime::now();
    let taking = is_declared_again(&trial, &queue).await;
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();

    let outcome = trial.end().await;
    let troubled = outcome.troubled_after(deleted);
    let outcome =
        outcome.time("submits refused after that", troubled).time("all ready after that", taking);
    outcome.failed_only(&["deadline_exceeded"]);
    let waiting_there = outcome.failures.len();
    assert!(waiting_there <= 10, "{waiting_there} jobs were lost with a queue that was near empty");
    assert!(taking <= CONSUMER_RECOVERY_MAX, "{taking:?}");
    // Publishes find the alternate exchange; some releases close the channel of who publishes.
    assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_the_broker_cancels_is_renewed() {
    let ground = Ground::with(1, 2, "").await;
    // The broker cancels whoever takes from a queue that is deleted. These are empty.
    let [_jobs, side_lanes @ ..] = queues(&ground);
    let trial = Trial::of("subscriptions cancelled", ground, Load::until_enough());
    let mut longest = Duration::ZERO;
    for _ in 0..if long() { 4 } else { 1 } {
        for lane in &side_lanes {
            tokio::time::sleep(WORK).await;
            delete_queue(&services::amqp_url(), lane).await;
            longest = longest.max(is_declared_again(&trial, lane).await);
        }
    }
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();

    let outcome = trial.end().await.time("all ready after that within", longest);
    outcome.all_succeeded();
    assert!(longest <= CONSUMER_RECOVERY_MAX, "{longest:?}");
    assert_eq!(outcome.troubles, [], "nobody publishes there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_costs_nothing() {
    let closes = async |broker: &Broker| drop(broker.ctl(&["eval", FAIL_CHANNELS]).await);
    closes_again_and_again("channels closed", closes, "unknown delivery tag").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_full_refuses_at_once_and_loses_nothing() {
    let ground = Ground::with(1, 0, "[queue]\nlength_max = 20\n").await;
    let mut trial = Trial::of("queue full", ground, Load::until_enough());
    eventually("submits are refused", PATIENCE, async || {
        (!trial.crowd.history().troubles().is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(if long() { 10 * WORK } else { WORK }).await;
    let metrics = trial.world.client().at(&trial.world.producers[0].metrics);
    let metrics = metrics.get("/metrics").await.text;
    let full = "quhao_submits_total{result=\"overloaded\"} ";
    assert!(metrics.contains(full), "refused for another reason: {metrics}");
    for _ in 0..2 {
        trial.world.add_worker().await;
    }
    let came = SystemTime::now();
    tokio::time::sleep(2 * WORK).await;
    trial.crowd.enough();
    // All who were refused come again at once, and not all of them find room.
    let again = trial.crowd.history().accepted_after(came).expect("somebody is let in");

    let outcome = trial.end().await;
    let (troubled, slowest) = (outcome.troubled_after(came), outcome.slowest_refusal());
    let outcome = outcome
        .time("slowest refusal", slowest)
        .time("first accepted after workers came", again)
        .time("last refused after that", troubled);
    outcome.all_succeeded();
    assert!(slowest <= AT_ONCE, "{slowest:?}");
    assert!(again <= SUBMIT_RECOVERY_MAX, "{again:?}");
}
