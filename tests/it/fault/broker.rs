//! The broker dies, throws everybody out, or runs short.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    broker::{Broker, Shortage},
    load::{Load, long},
    wait::{PATIENCE, eventually},
};

use super::{
    ground::Ground,
    outcome::since,
    trial::{CONSUMER_RECOVERY_MAX, SUBMIT_RECOVERY_MAX, Trial},
};

/// How long a broker is away, beside the time that it takes to start.
fn outage() -> Duration {
    Duration::from_secs(if long() { 20 } else { 0 })
}

/// What is refused at once takes no longer, however busy the machine is; a confirm that
/// does not come would take five seconds.
pub(super) const AT_ONCE: Duration = Duration::from_secs(2);

/// How long guests come before and after.
const WORK: Duration = Duration::from_secs(2);

/// A trial whose broker is one of its own.
async fn trial_on(broker: &Broker, subject: &'static str) -> Trial {
    let config = format!("[queue]\nurl = '{}'\n", broker.url());
    let ground = Ground::with(1, 2, &config).await;
    Trial::of(subject, ground, Load::until_enough()).at_broker(broker.url())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_costs_nothing() {
    let broker = Broker::start().await;
    let trial = trial_on(&broker, "broker killed and restarted").await;
    trial.crowd.at(WORK).await;
    broker.kill_9().await;
    tokio::time::sleep(outage()).await;
    broker.start_again().await;
    let answers = SystemTime::now();
    trial.is_ready(CONSUMER_RECOVERY_MAX).await;
    let taking = since(answers, SystemTime::now());
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();

    let outcome = trial.end().await;
    let troubled = outcome.troubled_after(answers);
    let outcome = outcome
        .time("submits refused after its return", troubled)
        .time("all ready after its return", taking);
    outcome.all_succeeded();
    outcome.refused();
    assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_closes_all_connections_costs_nothing() {
    let closes = async |broker: &Broker| broker.close_connections().await;
    closes_again_and_again("all connections closed", closes, "the link to the broker is down")
        .await;
}

/// Has the broker close what leads to it, several times. It costs no job, and every role is
/// soon back; `noticed` is what the log says of it.
pub(super) async fn closes_again_and_again(
    subject: &'static str,
    harm: impl AsyncFn(&Broker),
    noticed: &str,
) {
    let broker = Broker::start().await;
    let trial = trial_on(&broker, subject).await;
    let mut closed = SystemTime::now();
    for _ in 0..if long() { 10 } else { 2 } {
        tokio::time::sleep(WORK).await;
        harm(&broker).await;
        closed = SystemTime::now();
    }
    trial.is_ready(CONSUMER_RECOVERY_MAX).await;
    let taking = since(closed, SystemTime::now());
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();
    assert!(trial.world.logs().contains(noticed), "nobody noticed");

    let outcome = trial.end().await;
    let troubled = outcome.troubled_after(closed);
    let outcome = outcome
        .time("submits refused after the last time", troubled)
        .time("all ready after the last time", taking);
    outcome.all_succeeded();
    assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_runs_short_of_memory_refuses_at_once_and_loses_nothing() {
    runs_short("short of memory", Shortage::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_runs_short_of_disk_refuses_at_once_and_loses_nothing() {
    runs_short("short of disk", Shortage::Disk).await;
}

async fn runs_short(subject: &'static str, what: Shortage) {
    let broker = Broker::start().await;
    let trial = trial_on(&broker, subject).await;
    trial.crowd.at(WORK).await;
    broker.run_short_of(what).await;
    // The broker tells a connection that it is blocked when that one publishes next.
    eventually("submits are refused", PATIENCE, async || {
        (!trial.crowd.history().troubles().is_empty()).then_some(())
    })
    .await;
    tokio::time::sleep(outage()).await;
    broker.has_enough_of(what).await;
    let enough = SystemTime::now();
    trial.is_ready(CONSUMER_RECOVERY_MAX).await;
    tokio::time::sleep(WORK).await;
    trial.crowd.enough();

    let outcome = trial.end().await;
    let troubled = outcome.troubled_after(enough);
    let slowest = outcome.slowest_refusal();
    let outcome =
        outcome.time("slowest refusal", slowest).time("submits refused after the alarm", troubled);
    outcome.all_succeeded();
    assert!(slowest <= AT_ONCE, "{slowest:?}");
    assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?}");
}
