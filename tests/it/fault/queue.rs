//! The queue is full or deleted, and the broker closes channels and subscriptions.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    broker::{Broker, delete_queue, ready},
    fault::{CONSUMER_RECOVERY_MAX, FaultRun, Fixture, Processes, SUBMIT_RECOVERY_MAX, since},
    load::{LoadProfile, is_long},
    services,
    wait::{PATIENCE, eventually},
};

use super::broker::{AT_ONCE, assert_survives_repeated_closing};

/// How long the load runs before, between and after.
const WORK: Duration = Duration::from_secs(2);

/// Makes the broker close every channel, as if each had acked a delivery that it was never
/// given. The effect is that of any channel error.
const FAIL_CHANNELS: &str = "[Channel ! {'$gen_cast', {method, {'basic.ack', 1000000000, false}, \
                             none, noflow}} || Channel <- rabbit_channel:list()], ok.";

/// Waits until `queue` exists again and all processes are ready. Returns how long that took.
async fn wait_until_declared_again(run: &FaultRun, queue: &String) -> Duration {
    let deleted = SystemTime::now();
    eventually("it is declared again", PATIENCE, async || {
        ready(&services::amqp_url(), std::slice::from_ref(queue)).await.map(drop)
    })
    .await;
    run.wait_until_ready(CONSUMER_RECOVERY_MAX).await;
    since(deleted, SystemTime::now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_queue_is_declared_again() {
    // Jobs that wait in it are deleted with it. They fail by their deadline and the grace,
    // which is short here.
    let config = "[platforms.wechat]\ntimeout_seconds = 1\n\
                  [store]\nstatement_timeout_seconds = 1\n";
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, config).await;
    let [queue, ..] = fixture.queues();
    let profile = LoadProfile { deadline_seconds: 10, ..LoadProfile::until_stopped() };
    let mut run = FaultRun::start("queue deleted", fixture, profile);
    run.load.reach(WORK).await;
    delete_queue(&services::amqp_url(), &queue).await;
    run.queue_was_deleted();
    let deleted = SystemTime::now();
    let taking = wait_until_declared_again(&run, &queue).await;
    tokio::time::sleep(WORK).await;
    run.load.stop();

    let report = run.finish().await;
    let rejecting = report.rejecting_after(deleted);
    let report =
        report.time("submits refused after that", rejecting).time("all ready after that", taking);
    report.assert_failed_only(&["deadline_exceeded"]);
    let waiting_there = report.failures.len();
    assert!(
        waiting_there <= 10,
        "{waiting_there} jobs were lost with a queue that was nearly empty"
    );
    assert!(taking <= CONSUMER_RECOVERY_MAX, "{taking:?}");
    // Messages go to the alternate exchange; some releases close the publisher's channel.
    assert!(rejecting <= SUBMIT_RECOVERY_MAX, "{rejecting:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_subscription_is_renewed() {
    let fixture = Fixture::start(Processes { producers: 1, workers: 2 }, "").await;
    // The broker cancels the consumers of a queue that is deleted. These are empty.
    let [_jobs, other_queues @ ..] = fixture.queues();
    let run = FaultRun::start("subscriptions cancelled", fixture, LoadProfile::until_stopped());
    let mut longest = Duration::ZERO;
    for _ in 0..if is_long() { 4 } else { 1 } {
        for queue in &other_queues {
            tokio::time::sleep(WORK).await;
            delete_queue(&services::amqp_url(), queue).await;
            longest = longest.max(wait_until_declared_again(&run, queue).await);
        }
    }
    tokio::time::sleep(WORK).await;
    run.load.stop();

    let report = run.finish().await.time("all ready after that within", longest);
    report.assert_all_succeeded();
    assert!(longest <= CONSUMER_RECOVERY_MAX, "{longest:?}");
    assert_eq!(report.rejections, [], "no client publishes there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_channels_cost_no_job() {
    let closes = async |broker: &Broker| drop(broker.ctl(&["eval", FAIL_CHANNELS]).await);
    assert_survives_repeated_closing("channels closed", closes, "unknown delivery tag").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_queue_rejects_at_once_and_costs_no_job() {
    let fixture =
        Fixture::start(Processes { producers: 1, workers: 0 }, "[queue]\nlength_max = 20\n").await;
    let mut run = FaultRun::start("queue full", fixture, LoadProfile::until_stopped());
    eventually("submits are refused", PATIENCE, async || {
        (!run.load.history().rejections().is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(if is_long() { 10 * WORK } else { WORK }).await;
    let metrics = run.world.producer_ops().metrics().await;
    let full = "quhao_submits_total{result=\"overloaded\"}";
    assert!(metrics.has(full), "refused for another reason: {metrics:?}");
    for _ in 0..2 {
        run.world.add_worker().await;
    }
    let came = SystemTime::now();
    tokio::time::sleep(2 * WORK).await;
    run.load.stop();
    // All clients that were refused submit again at once, and not all of them find room.
    let again = run.load.history().accepted_after(came).expect("some job is accepted");

    let report = run.finish().await;
    let (rejecting, slowest) = (report.rejecting_after(came), report.slowest_refusal());
    let report = report
        .time("slowest refusal", slowest)
        .time("first accepted after workers came", again)
        .time("last refused after that", rejecting);
    report.assert_all_succeeded();
    assert!(slowest <= AT_ONCE, "{slowest:?}");
    assert!(again <= SUBMIT_RECOVERY_MAX, "{again:?}");
}
