//! SIGHUP: what is taken over, what is refused, and what needs a restart.

use std::time::Duration;

use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    reload::{Merchant, Reading, put, readings, reload},
    wait::{PATIENCE, eventually},
    world::{World, phone_job},
};

in_both_modes!(
    a_merchant_comes_and_goes,
    a_broken_configuration_changes_nothing,
    what_needs_a_restart_is_named,
    signals_in_a_row_end_with_the_last_configuration,
    a_signal_during_the_drain_is_ignored,
);

async fn a_merchant_comes_and_goes(mode: Mode) {
    let world = World::start(mode).await;
    let merchant = Merchant::new("noodles");
    let client = world.client().with_key(Some(&merchant.api_key));
    let job = phone_job(&world.simulator.user(&merchant.app));
    assert_eq!(client.submit(&job).await.status, 401);

    let file = world.config.folder().join("config.d/noodles.toml");
    put(&file, &merchant.toml());
    reload(&world, Reading::Applied).await;
    let done = client.submit_and_wait(&job, 20).await;
    assert_eq!(done.text_at("/status"), "succeeded", "{}", done.text);
    let url = done.text_at("/url").to_owned();
    assert_eq!(client.get(&url).await.status, 200);

    // The app goes, its client stays.
    put(&file, &merchant.client_toml());
    reload(&world, Reading::Applied).await;
    assert_eq!(client.get(&url).await.status, 404);
    let refused = client.submit(&phone_job(&world.simulator.user(&merchant.app))).await;
    assert_eq!((refused.status, refused.text_at("/code")), (404, "not_found"));

    // The client goes.
    std::fs::remove_file(&file).unwrap();
    reload(&world, Reading::Applied).await;
    assert_eq!(client.get(&url).await.status, 401);
    assert_eq!(client.submit(&job).await.status, 401);
    let others = world.client().submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(others.text_at("/status"), "succeeded", "{}", others.text);

    // What was done is there again with the merchant.
    put(&file, &merchant.toml());
    reload(&world, Reading::Applied).await;
    assert_eq!(client.get(&url).await.text_at("/status"), "succeeded");
}

async fn a_broken_configuration_changes_nothing(mode: Mode) {
    let world = World::start(mode).await;
    let (good, bad) = (Merchant::new("good"), Merchant::new("bad"));
    let folder = world.config.folder().join("config.d");
    put(&folder.join("bad.toml"), &bad.toml().replace("s3cret", "hunter2 hunter2"));
    put(&folder.join("good.toml"), &good.toml());
    put(&folder.join("worse.toml"), "[[apps]\nsecret = 'hunter2'\n");
    reload(&world, Reading::Refused).await;
    assert_eq!(readings(&world.producers[0].metrics, Reading::Applied).await, 0);

    let job = phone_job(&world.simulator.user(&good.app));
    let client = world.client();
    assert_eq!(client.with_key(Some(&good.api_key)).submit(&job).await.status, 401);
    let done = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(done.text_at("/status"), "succeeded", "{}", done.text);
    let logs = world.logs();
    for expected in [
        "config.d/bad.toml: apps[0].secret: expected ",
        "config.d/worse.toml: not TOML: line 1",
        "the old configuration stays in force",
    ] {
        assert!(logs.contains(expected), "no {expected} in\n{logs}");
    }
    assert!(!logs.contains("hunter2"), "a value is quoted");

    std::fs::remove_file(folder.join("worse.toml")).unwrap();
    put(&folder.join("bad.toml"), &bad.toml());
    reload(&world, Reading::Applied).await;
    let done = client.with_key(Some(&good.api_key)).submit_and_wait(&job, 20).await;
    assert_eq!(done.text_at("/status"), "succeeded", "{}", done.text);
}

async fn what_needs_a_restart_is_named(mode: Mode) {
    let mut world = World::start(mode).await;
    let further = "drain_seconds = 19\n[worker]\nconcurrency = 3\n[callbacks]\nallow_http = true\n";
    put(&world.config.folder().join("config.d/further.toml"), further);
    reload(&world, Reading::Applied).await;
    let said = "changes in these sections need a restart";
    let fields = world.producers[0].process.wait_for_log(said, PATIENCE).await;
    assert_eq!(fields["sections"], "drain_seconds, [worker], [callbacks]");
    let logs = world.logs();
    for secret in world.config.secrets() {
        assert!(!logs.contains(secret), "a secret is in the log");
    }
}

/// However signals and readings fall: what was written before the last signal is in force
/// in the end.
async fn signals_in_a_row_end_with_the_last_configuration(mode: Mode) {
    let world = World::start(mode).await;
    let file = world.config.folder().join("config.d/merchant.toml");
    let merchants: Vec<_> = (0..20).map(|at| Merchant::new(&format!("m{at}"))).collect();
    let producer = &world.producers[0].process;
    for merchant in &merchants {
        put(&file, &merchant.toml());
        producer.signal("HUP");
    }
    let (last, earlier) = merchants.split_last().unwrap();
    let client = world.client().with_key(Some(&last.api_key));
    eventually("the last merchant is known", PATIENCE, async || {
        (client.get("/v1/jobs/nonsense").await.status == 404).then_some(())
    })
    .await;
    for merchant in earlier {
        let client = client.with_key(Some(&merchant.api_key));
        assert_eq!(client.get("/v1/jobs/nonsense").await.status, 401, "{}", merchant.name);
    }
    let done = world.client().submit_and_wait(&phone_job(&world.simulator.user(APP)), 20).await;
    assert_eq!(done.text_at("/status"), "succeeded", "{}", done.text);
}

async fn a_signal_during_the_drain_is_ignored(mode: Mode) {
    let mut world = World::start(mode).await;
    let guest = world.guest();
    world.simulator.set_latency(Duration::from_secs(2));
    assert_eq!(world.client().submit(&phone_job(&guest)).await.status, 202);
    eventually("the job is being worked on", PATIENCE, async || {
        (world.simulator.calls_of(&guest.code) == 1).then_some(())
    })
    .await;
    let working = match mode {
        Mode::Distributed => &mut world.workers[0].process,
        Mode::Embedded => &mut world.producers[0].process,
    };
    working.terminate();
    working.wait_for_log("draining; a second signal exits at once", PATIENCE).await;
    working.signal("HUP");
    let status = working.wait_exit(PATIENCE).await;
    assert!(status.success(), "{status}");
    let log = working.log();
    assert!(log.contains("drained") && !log.contains("SIGHUP"), "{log}");
    assert_eq!(world.simulator.calls_of(&guest.code), 1);
}
