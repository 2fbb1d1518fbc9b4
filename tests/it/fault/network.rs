//! A link between two parts is cut, stalls, is deaf in one direction, hangs for a while,
//! or is slow.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    load::{Load, long},
    proxy::{Direction, Proxy},
    services,
    world::World,
};

use super::{
    outcome::{Outcome, since},
    trial::{self, CONSUMER_RECOVERY_MAX, SUBMIT_RECOVERY_MAX, Trial},
};

/// What is done to a link.
#[derive(Debug, Clone, Copy)]
enum Harm {
    Cut,
    Stall,
    Swallow(Direction),
    Hold,
    Slow,
}

/// All of it; the short form has the first four. The cut comes after those that make no
/// connection fail at once: pauses between attempts grow while a link does not hold.
const HARMS: [Harm; 6] = [
    Harm::Stall,
    Harm::Swallow(Direction::Answer),
    Harm::Swallow(Direction::Request),
    Harm::Cut,
    Harm::Hold,
    Harm::Slow,
];

fn harms() -> &'static [Harm] {
    if long() { &HARMS } else { &HARMS[..4] }
}

/// How long each lasts. The heartbeat is such that a silent peer is noticed meanwhile.
fn harm_time() -> Duration {
    Duration::from_secs(if long() { 8 } else { 2 })
}

/// From one of them to the next, at least: to recover, and to work undisturbed.
fn rest() -> Duration {
    Duration::from_secs(if long() { 10 } else { 2 })
}

/// Undisturbed, after it was ready again.
const WORK: Duration = Duration::from_secs(1);

/// Heartbeats and time limits that are shorter than the harm.
const CONFIG: &str = "[queue]\nheartbeat_seconds = 1\nconfirm_timeout_seconds = 2\n\
                      [store]\nstatement_timeout_seconds = 1\nacquire_timeout_seconds = 1\n";

impl Harm {
    fn befalls(self, proxy: &Proxy) {
        match self {
            Self::Cut => proxy.cut(),
            Self::Stall => proxy.stall(),
            Self::Swallow(direction) => proxy.swallow(direction),
            Self::Hold => proxy.hold(),
            Self::Slow => proxy.slow(Duration::from_millis(50)),
        }
    }
}

/// Does to the link through `proxy` what can happen to it, one thing after the other. Gives
/// the outcome and the longest time for which submits were refused after a mending.
async fn harm(subject: &'static str, world: World, proxy: &Proxy) -> (Outcome, Duration) {
    let count = u32::try_from(harms().len()).unwrap_or_default();
    let load = Load { time: (harm_time() + rest()) * count + rest(), ..Load::default() };
    let trial = Trial::of(subject, world, load);
    trial.crowd.at(WORK).await;
    let mut mendings = Vec::new();
    for harm in harms() {
        harm.befalls(proxy);
        tokio::time::sleep(harm_time()).await;
        proxy.mend();
        let mended = SystemTime::now();
        trial.is_ready(CONSUMER_RECOVERY_MAX).await;
        let ready = since(mended, SystemTime::now());
        tokio::time::sleep(rest().saturating_sub(ready).max(WORK)).await;
        mendings.push((harm, mended, ready, SystemTime::now()));
    }
    let mut outcome = trial.end().await;
    let mut longest = Duration::ZERO;
    for (harm, mended, ready, next) in mendings {
        let troubled = outcome.troubled_between(mended, next);
        longest = longest.max(troubled);
        outcome = outcome
            .time(&format!("{harm:?}: ready again after"), ready)
            .time("submits after", troubled);
    }
    (outcome, longest)
}

/// The proxy to the broker, and what leads a process through it.
async fn proxy_to_broker() -> (Proxy, String) {
    Proxy::for_url(&services::amqp_url(), 5672).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_workers_link_to_the_broker_costs_nothing() {
    let (proxy, url) = proxy_to_broker().await;
    let mut world = trial::world(1, 0, CONFIG).await;
    world.add_worker_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (outcome, _) = harm("worker-broker link", world, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_producers_link_to_the_broker_costs_nothing() {
    let (proxy, url) = proxy_to_broker().await;
    let mut world = trial::world(0, 2, CONFIG).await;
    world.add_producer_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (outcome, troubled) = harm("producer-broker link", world, &proxy).await;
    outcome.all_succeeded();
    outcome.refused();
    assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_workers_link_to_the_store_costs_nothing() {
    let mut world = trial::world(1, 0, CONFIG).await;
    let (proxy, url) = trial::proxy_to_store(&world).await;
    world.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (outcome, _) = harm("worker-Postgres link", world, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_producers_link_to_the_store_costs_nothing() {
    let mut world = trial::world(0, 2, CONFIG).await;
    let (proxy, url) = trial::proxy_to_store(&world).await;
    world.add_producer_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (outcome, _) = harm("producer-Postgres link", world, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "a producer accepts without the store");
}
