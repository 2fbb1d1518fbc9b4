//! Workers whose clocks are ten minutes off.

use std::time::Duration;

use quhao_tests::{
    client::Client,
    clock::Clock,
    fault::{FaultRun, Fixture, Processes},
    load::LoadProfile,
    process::Process,
    wait::{PATIENCE, eventually},
    world::Worker,
};

const TEN_MINUTES_SECONDS: i64 = 600;

/// Longest that a worker may take to notice that its clock is right again: it checks every
/// five seconds.
const NOTICE_MAX: Duration = Duration::from_secs(15);

/// How long the load runs before and after.
const WORK: Duration = Duration::from_secs(3);

/// Starts a worker that reads this clock.
async fn worker_with(clock: &Clock, fixture: &Fixture) -> Worker {
    let config = fixture.config.path();
    let arguments = ["worker".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut process = Process::spawn(&arguments, &clock.variables());
    let fields = process.wait_for_log("worker running", PATIENCE).await;
    Worker { process, metrics: fields["metrics"].as_str().expect("an address").to_owned() }
}

async fn deliveries(client: &Client) -> u64 {
    client.metric("quhao_deliveries_total").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_with_a_wrong_clock_takes_no_job() {
    let fixture = Fixture::start(Processes { producers: 1, workers: 1 }, "").await;
    let mut wrong = Vec::new();
    for seconds in [TEN_MINUTES_SECONDS, -TEN_MINUTES_SECONDS] {
        let clock = Clock::off_by(seconds);
        let worker = worker_with(&clock, &fixture).await;
        let probes = fixture.client().at(&worker.metrics);
        wrong.push((clock, worker, probes));
    }
    let mut run = FaultRun::start("clocks ten minutes off", fixture, LoadProfile::until_stopped());
    run.load.reach(WORK).await;
    for (_, _, probes) in &wrong {
        let readyz = probes.get("/readyz").await;
        let reasons = readyz.body["reasons"].to_string();
        assert_eq!(readyz.status, 503, "{}", readyz.text);
        assert!(reasons.contains("this machine's clock is"), "{reasons}");
        assert_eq!(deliveries(probes).await, 0, "it takes no job");
    }
    for (clock, ..) in &wrong {
        clock.set_off_by(0);
    }
    for (_, _, probes) in &wrong {
        eventually("it works once its clock is right", NOTICE_MAX, async || {
            (deliveries(probes).await > 0).then_some(())
        })
        .await;
    }
    tokio::time::sleep(WORK).await;
    run.load.stop();
    // Their clocks are needed until they have ended.
    let mut clocks = Vec::new();
    for (clock, worker, _) in wrong {
        clocks.push(clock);
        run.world.workers.push(worker);
    }

    let report = run.finish().await;
    drop(clocks);
    report.assert_all_succeeded();
    assert_eq!(report.rejections, []);
    assert_eq!(report.calls, report.jobs, "no code was exchanged twice");
}
