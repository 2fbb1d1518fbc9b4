//! A network link is cut, stalls, loses one direction, hangs for a while, or is slow.

use std::time::{Duration, SystemTime};

use quhao_tests::{
    fault::{
        CONSUMER_RECOVERY_MAX, FaultRun, Fixture, Processes, Report, SUBMIT_RECOVERY_MAX, since,
    },
    load::{LoadProfile, WebhookInbox, is_long},
    proxy::{Direction, Proxy},
    services,
};

/// A fault of a link.
#[derive(Debug, Clone, Copy)]
enum LinkFault {
    Cut,
    Stall,
    Swallow(Direction),
    Hold,
    Slow,
}

/// All faults; the short form has the first four. The cut comes after those that make no
/// connection fail at once: pauses between attempts grow while connections fail.
const FAULTS: [LinkFault; 6] = [
    LinkFault::Stall,
    LinkFault::Swallow(Direction::Answer),
    LinkFault::Swallow(Direction::Request),
    LinkFault::Cut,
    LinkFault::Hold,
    LinkFault::Slow,
];

fn faults() -> &'static [LinkFault] {
    if is_long() { &FAULTS } else { &FAULTS[..4] }
}

/// Returns how long each fault lasts: longer than the heartbeat, so that a silent peer is
/// noticed meanwhile.
fn fault_time() -> Duration {
    Duration::from_secs(if is_long() { 8 } else { 2 })
}

/// Returns the least time from one fault to the next: to recover, and to work undisturbed.
fn rest() -> Duration {
    Duration::from_secs(if is_long() { 10 } else { 2 })
}

/// Time without a fault, after all are ready again.
const WORK: Duration = Duration::from_secs(1);

/// Heartbeats and time limits that are shorter than a fault.
const CONFIG: &str = "[queue]\nheartbeat_seconds = 1\nconfirm_timeout_seconds = 2\n\
                      [store]\nstatement_timeout_seconds = 1\nacquire_timeout_seconds = 1\n";

impl LinkFault {
    fn apply(self, proxy: &Proxy) {
        match self {
            Self::Cut => proxy.cut(),
            Self::Stall => proxy.stall(),
            Self::Swallow(direction) => proxy.swallow(direction),
            Self::Hold => proxy.hold(),
            Self::Slow => proxy.slow(Duration::from_millis(50)),
        }
    }
}

/// The recovery from a fault.
struct Recovery {
    fault: LinkFault,
    /// When the fault ended.
    at: SystemTime,
    /// How long it took until all were ready again.
    ready: Duration,
    /// When the next fault began.
    until: SystemTime,
}

/// Applies every fault to the link through `proxy`, one after the other.
async fn run_faults(
    subject: &'static str,
    fixture: Fixture,
    proxy: &Proxy,
) -> (Report, Vec<Recovery>) {
    let count = u32::try_from(faults().len()).unwrap_or_default();
    let profile =
        LoadProfile { time: (fault_time() + rest()) * count + rest(), ..LoadProfile::default() };
    let run = FaultRun::start(subject, fixture, profile);
    run.load.reach(WORK).await;
    let mut recoveries = Vec::new();
    for fault in faults() {
        fault.apply(proxy);
        tokio::time::sleep(fault_time()).await;
        proxy.mend();
        let at = SystemTime::now();
        run.wait_until_ready(CONSUMER_RECOVERY_MAX).await;
        let ready = since(at, SystemTime::now());
        tokio::time::sleep(rest().saturating_sub(ready).max(WORK)).await;
        recoveries.push(Recovery { fault: *fault, at, ready, until: SystemTime::now() });
    }
    let mut report = run.finish().await;
    for Recovery { fault, at, ready, until } in &recoveries {
        let rejecting = report.rejecting_between(*at, *until);
        report = report
            .time(&format!("{fault:?}: ready again after"), *ready)
            .time("submits after", rejecting);
        if let Some(last) = report.last_rejection(*until).filter(|_| rejecting > WORK) {
            let (reply, took) = (format!("{:?}", last.reply), last.took);
            report = report.value("the last of which was answered", reply).time("in", took);
        }
    }
    (report, recoveries)
}

/// Starts a proxy to the broker. Returns it and the URL that leads through it.
async fn proxy_to_broker() -> (Proxy, String) {
    Proxy::for_url(&services::amqp_url(), 5672).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_survives_broker_link_faults() {
    let (proxy, url) = proxy_to_broker().await;
    let mut fixture = Fixture::start(Processes { producers: 1, workers: 0 }, CONFIG).await;
    fixture.add_worker_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (report, _) = run_faults("worker-broker link", fixture, &proxy).await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(fault_time() / 2);
    assert_eq!(report.rejections, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_survives_broker_link_faults() {
    let (proxy, url) = proxy_to_broker().await;
    let mut fixture = Fixture::start(Processes { producers: 0, workers: 2 }, CONFIG).await;
    fixture.add_producer_with(&[("QUHAO__QUEUE__URL", &url)]).await;
    let (report, recoveries) = run_faults("producer-broker link", fixture, &proxy).await;
    report.assert_all_succeeded();
    report.assert_submits_were_rejected();
    for Recovery { fault, at, until, .. } in recoveries {
        let rejecting = report.rejecting_between(at, until);
        let last = report.last_rejection(until);
        assert!(rejecting <= SUBMIT_RECOVERY_MAX, "{rejecting:?} after {fault:?}: {last:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_survives_store_link_faults() {
    let mut fixture = Fixture::start(Processes { producers: 1, workers: 0 }, CONFIG).await;
    let (proxy, url) = fixture.proxy_to_store().await;
    fixture.add_worker_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (report, _) = run_faults("worker-Postgres link", fixture, &proxy).await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(fault_time() / 2);
    assert_eq!(report.rejections, [], "producers have a link of their own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producer_survives_store_link_faults() {
    let mut fixture = Fixture::start(Processes { producers: 0, workers: 2 }, CONFIG).await;
    let (proxy, url) = fixture.proxy_to_store().await;
    fixture.add_producer_with(&[("QUHAO__STORE__URL", &url)]).await;
    let (report, _) = run_faults("producer-Postgres link", fixture, &proxy).await;
    report.assert_all_succeeded();
    report.assert_jobs_waited(fault_time() / 2);
    assert_eq!(report.rejections, [], "a producer accepts without the store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn platform_link_faults_cost_only_calls_in_flight() {
    let config = format!("{CONFIG}[platforms.wechat]\ntimeout_seconds = 1.5\n");
    let mut fixture = Fixture::start(Processes { producers: 1, workers: 0 }, &config).await;
    let (proxy, url) = Proxy::for_url(&fixture.simulator.base_url(), 80).await;
    let url = [("QUHAO__PLATFORMS__WECHAT__BASE_URL", url.trim_end_matches('/'))];
    for _ in 0..2 {
        fixture.add_worker_with(&url).await;
    }
    let (report, _) = run_faults("worker-platform link", fixture, &proxy).await;
    // Two calls without an answer end a job, whether they have used its code up or not.
    report.assert_failed_only(&["platform_unavailable", "session_lost"]);
    report.assert_jobs_waited(fault_time() / 2);
    assert_eq!(report.rejections, [], "a producer accepts without the platform");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_link_faults_delay_callbacks_and_lose_none() {
    let (inbox, proxy) = WebhookInbox::behind_a_proxy().await;
    let fixture = Fixture::with_inbox(inbox, Processes { producers: 1, workers: 2 }, CONFIG).await;
    let (report, _) = run_faults("worker-receiver link", fixture, &proxy).await;
    report.assert_all_succeeded();
    let longest = report.longest_callback;
    assert!(longest >= fault_time() / 2, "no callback was delayed: the longest took {longest:?}");
    assert_eq!(report.rejections, [], "a producer accepts without the receiver");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_link_faults_cost_no_job() {
    let mut fixture = Fixture::start(Processes { producers: 1, workers: 2 }, CONFIG).await;
    let producer = &mut fixture.producers[0];
    let (proxy, url) = Proxy::for_url(&format!("http://{}", producer.address), 80).await;
    producer.address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let (report, _) = run_faults("client-producer link", fixture, &proxy).await;
    // A client that gets no answer submits the same again, and it is the same job.
    report.assert_all_succeeded();
    report.assert_submits_were_rejected();
    assert_eq!(report.calls, report.jobs, "no code was exchanged twice");
}
