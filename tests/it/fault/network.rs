//! A link between two parts is cut, stalls, is deaf in one direction, hangs for a while,
//! or is slow.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    load::{Load, WebhookInbox, long},
    proxy::{Direction, Proxy},
    services,
};

use super::{
    ground::Ground,
    outcome::{Outcome, since},
    trial::{CONSUMER_RECOVERY_MAX, SUBMIT_RECOVERY_MAX, Trial},
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

/// The end of a harm.
struct Mending {
    harm: Harm,
    at: SystemTime,
    /// How long it took until all were ready again.
    ready: Duration,
    /// Until when they were left alone.
    until: SystemTime,
}

/// Does to the link through `proxy` what can happen to it, one thing after the other.
async fn harm(subject: &'static str, ground: Ground, proxy: &Proxy) -> (Outcome, Vec<Mending>) {
    let count = u32::try_from(harms().len()).unwrap_or_default();
    let load = Load { time: (harm_time() + rest()) * count + rest(), ..Load::default() };
    let trial = Trial::of(subject, ground, load);
    trial.crowd.at(WORK).await;
    let mut mendings = Vec::new();
    for harm in harms() {
        harm.befalls(proxy);
        tokio::time::sleep(harm_time()).await;
        proxy.mend();
        let at = SystemTime::now();
        trial.is_ready(CONSUMER_RECOVERY_MAX).await;
        let ready = since(at, SystemTime::now());
        tokio::time::sleep(rest().saturating_sub(ready).max(WORK)).await;
        mendings.push(Mending { harm: *harm, at, ready, until: SystemTime::now() });
    }
    let mut outcome = trial.end().await;
    for Mending { harm, at, ready, until } in &mendings {
        let troubled = outcome.troubled_between(*at, *until);
        outcome = outcome
            .time(&format!("{harm:?}: ready again after"), *ready)
            .time("submits after", troubled);
        if let Some(last) = outcome.last_trouble(*until).filter(|_| troubled > WORK) {
            let (reply, took) = (format!("{:?}", last.reply), last.took);
            outcome = outcome.value("the last of which met", reply).time("in", took);
        }
    }
    (outcome, mendings)
}

/// The proxy to the broker, and what leads a process through it.
async fn proxy_to_broker() -> (Proxy, String) {
    Proxy::for_url(&services::amqp_url(), 5672).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_workers_link_to_the_broker_costs_nothing() {
    let (proxy, url) = proxy_to_broker().await;
    let mut ground = Ground::with(1, 0, CONFIG).await;
    ground.add_worker_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (outcome, _) = harm("worker-broker link", ground, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_producers_link_to_the_broker_costs_nothing() {
    let (proxy, url) = proxy_to_broker().await;
    let mut ground = Ground::with(0, 2, CONFIG).await;
    ground.add_producer_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (outcome, mendings) = harm("producer-broker link", ground, &proxy).await;
    outcome.all_succeeded();
    outcome.refused();
    for Mending { harm, at, until, .. } in mendings {
        let troubled = outcome.troubled_between(at, until);
        let last = outcome.last_trouble(until);
        assert!(troubled <= SUBMIT_RECOVERY_MAX, "{troubled:?} after {harm:?}: {last:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_workers_link_to_the_store_costs_nothing() {
    let mut ground = Ground::with(1, 0, CONFIG).await;
    let (proxy, url) = ground.proxy_to_store().await;
    ground.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (outcome, _) = harm("worker-Postgres link", ground, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_a_producers_link_to_the_store_costs_nothing() {
    let mut ground = Ground::with(0, 2, CONFIG).await;
    let (proxy, url) = ground.proxy_to_store().await;
    ground.add_producer_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (outcome, _) = harm("producer-Postgres link", ground, &proxy).await;
    outcome.all_succeeded();
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "a producer accepts without the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_workers_link_to_the_platform_costs_what_was_on_it() {
    let config = format!("{CONFIG}[platforms.wechat]\ntimeout_seconds = 1.5\n");
    let mut ground = Ground::with(1, 0, &config).await;
    let (proxy, url) = Proxy::for_url(&ground.simulator.base_url(), 80).await;
    let url = [("QUHAO__PLATFORMS__WECHAT__BASE_URL", url.trim_end_matches('/'))];
    for _ in 0..2 {
        ground.add_worker_with(&url).await;
    }
    let (outcome, _) = harm("worker-platform link", ground, &proxy).await;
    // Two calls without an answer end a job, whether they have used its code up or not.
    outcome.failed_only(&["platform_unavailable", "session_lost"]);
    outcome.waited(harm_time() / 2);
    assert_eq!(outcome.troubles, [], "a producer accepts without the platform");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_workers_link_to_a_receiver_delays_word_and_loses_none() {
    let (inbox, proxy) = WebhookInbox::behind_a_proxy().await;
    let ground = Ground::telling(inbox, 1, 2, CONFIG).await;
    let (outcome, _) = harm("worker-receiver link", ground, &proxy).await;
    outcome.all_succeeded();
    let longest = outcome.longest_word;
    assert!(longest >= harm_time() / 2, "no word was held up: the longest took {longest:?}");
    assert_eq!(outcome.troubles, [], "a producer accepts whoever is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_guests_link_to_a_producer_costs_nothing() {
    let mut ground = Ground::with(1, 2, CONFIG).await;
    let producer = &mut ground.producers[0];
    let (proxy, url) = Proxy::for_url(&format!("http://{}", producer.address), 80).await;
    producer.address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (outcome, _) = harm("guest-producer link", ground, &proxy).await;
    // Who gets no answer submits the same again, and it is the same job.
    outcome.all_succeeded();
    outcome.refused();
    assert_eq!(outcome.calls, outcome.jobs, "no code was exchanged twice");
}
