//! The access token: fetched once for all, renewed in time, fetched anew when it is
//! refused, and no burden for jobs that need none.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, Instant},
};

use quhao_simulator::{Action, Endpoint, LoginSpec, Options, PhoneTap, PhoneTapSpec};
use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

in_both_modes!(
    however_many_jobs_wait_one_token_is_fetched,
    a_small_worker_comes_through_a_cold_start,
    a_token_is_renewed_before_it_runs_out,
    a_refused_token_costs_each_job_one_retry,
    a_token_outage_does_not_touch_logins,
    jobs_fail_with_what_keeps_the_token_away,
);

/// Submits the job of `tap` and returns it when it is finished.
fn redeem(client: &Client, tap: &PhoneTap, deadline_seconds: u64) -> JoinHandle<Value> {
    let client = client.clone();
    let job = json!({
        "app_id": tap.app_id, "phone_code": tap.phone_code, "deadline_seconds": deadline_seconds,
    });
    tokio::spawn(async move {
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        client.wait_until_done(reply.text_at("/url"), Duration::from_mins(1)).await
    })
}

async fn all_succeed(jobs: Vec<(PhoneTap, JoinHandle<Value>)>) {
    for (tap, job) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["result"]["phone"]["pure_phone_number"], tap.phone, "{job}");
    }
}

async fn cold_start(world: &World, count: usize) {
    let tokens = world.simulator.at(Endpoint::StableToken);
    tokens.set_latency(Duration::from_millis(1500));
    let client = world.client();
    let taps = (0..count).map(|_| world.simulator.phone_tap(PhoneTapSpec::new(APP)));
    let jobs = taps.map(|tap| (tap.clone(), redeem(&client, &tap, 60))).collect();
    all_succeed(jobs).await;
    let counts = world.simulator.token_counts();
    assert_eq!((counts.fetches, counts.force_refreshes), (1, 0), "{counts:?}");
    let counts = world.simulator.redeem_counts();
    assert_eq!((counts.redeems, counts.bad_tokens), (count as u64, 0), "{counts:?}");
}

async fn however_many_jobs_wait_one_token_is_fetched(mode: Mode) {
    cold_start(&World::start(mode).await, 200).await;
}

/// Neither list nor slots have room for all.
async fn a_small_worker_comes_through_a_cold_start(mode: Mode) {
    cold_start(
        &World::with(mode, WorldOptions::with_config("[worker]\nconcurrency = 4\n")).await,
        40,
    )
    .await;
}

async fn a_token_is_renewed_before_it_runs_out(mode: Mode) {
    let simulator = Options { token_life: Duration::from_secs(4), ..Options::default() };
    let world = World::with(mode, WorldOptions { simulator, ..WorldOptions::default() }).await;
    let (client, began, mut jobs) = (world.client(), Instant::now(), Vec::new());
    let mut throughput = tokio::time::interval(Duration::from_millis(100));
    while world.simulator.token_counts().minted < 4 {
        throughput.tick().await;
        assert!(began.elapsed() < PATIENCE, "{:?}", world.simulator.token_counts());
        let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP));
        jobs.push((tap.clone(), redeem(&client, &tap, 60)));
    }
    let count = jobs.len() as u64;
    all_succeed(jobs).await;
    let counts = world.simulator.redeem_counts();
    assert_eq!((counts.redeems, counts.bad_tokens), (count, 0), "{counts:?}");
    assert_eq!(world.simulator.token_counts().force_refreshes, 0);
}

async fn a_refused_token_costs_each_job_one_retry(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let first = world.simulator.phone_tap(PhoneTapSpec::new(APP));
    all_succeed(vec![(first.clone(), redeem(&client, &first, 60))]).await;
    for (fetches, end) in [(2, "revoked"), (3, "expired")] {
        let ended = match end {
            "revoked" => world.simulator.revoke_access_token(APP),
            _ => world.simulator.expire_access_token(APP),
        };
        assert!(ended, "there was a token");
        let before = world.simulator.redeem_counts();
        let taps: Vec<_> =
            (0..100).map(|_| world.simulator.phone_tap(PhoneTapSpec::new(APP))).collect();
        let jobs = taps.iter().map(|tap| (tap.clone(), redeem(&client, tap, 60)));
        all_succeed(jobs.collect()).await;
        let counts = world.simulator.token_counts();
        assert_eq!((counts.fetches, counts.force_refreshes), (fetches, 0), "{end}: {counts:?}");
        let after = world.simulator.redeem_counts();
        let refused = after.bad_tokens - before.bad_tokens;
        assert!(refused > 0 && after.redeems - before.redeems == 100 + refused, "{end}: {after:?}");
        for tap in &taps {
            assert!(world.simulator.redeems_of(&tap.phone_code) <= 2, "{end}: one retry");
        }
    }
}

/// The token endpoint hangs, fails or is not itself, while jobs of four apps wait for their
/// tokens: as many as there are slots.
async fn a_token_outage_does_not_touch_logins(mode: Mode) {
    const SLOTS: usize = 16;
    let mut config =
        format!("[worker]\nconcurrency = {SLOTS}\n[platforms.wechat]\ntimeout_seconds = 8\n");
    let apps: Vec<_> = (0..4).map(|at| format!("wxdead000000000{at}")).collect();
    for app in &apps {
        let _ = write!(config, "[[apps]]\nid = '{app}'\nclient = 'orders'\nsecret = 's'\n");
    }
    let world = World::with(mode, WorldOptions::with_config(&config)).await;
    let (client, tokens) = (world.client(), world.simulator.at(Endpoint::StableToken));
    for action in [Action::Hang { burn: false }, Action::Errcode(-1), Action::Status(502)] {
        for app in &apps {
            world.simulator.revoke_access_token(app);
        }
        let before = world.simulator.token_counts().fetches;
        let redeemed = world.simulator.redeem_counts().redeemed;
        tokens.script_next(vec![action.clone(); 10_000]).unwrap();
        let taps = apps.iter().cycle().take(SLOTS);
        let taps: Vec<_> =
            taps.map(|app| world.simulator.phone_tap(PhoneTapSpec::new(app))).collect();
        let jobs = taps.iter().map(|tap| (tap.clone(), redeem(&client, tap, 120))).collect();
        eventually("every app asks for its token", PATIENCE, async || {
            (world.simulator.token_counts().fetches >= before + 4).then_some(())
        })
        .await;
        for _ in 0..SLOTS {
            let login = world.simulator.login(&LoginSpec::new(APP));
            let began = Instant::now();
            let job = json!({"app_id": APP, "code": login.code});
            let reply = client.submit_and_wait(&job, 20).await;
            assert_eq!(reply.text_at("/result/openid"), login.openid, "{}", reply.text);
            let took = began.elapsed();
            assert!(took < Duration::from_secs(4), "{action:?}: a login took {took:?}");
        }
        assert_eq!(world.simulator.redeem_counts().redeemed, redeemed, "{action:?}");
        tokens.clear_script();
        all_succeed(jobs).await;
    }
}

async fn jobs_fail_with_what_keeps_the_token_away(mode: Mode) {
    let rows = BTreeMap::from([
        (-1, "platform_unavailable"),
        (40001, "app_misconfigured"),
        (40002, "app_misconfigured"),
        (40013, "app_misconfigured"),
        (40125, "app_misconfigured"),
        (40164, "ip_not_allowed"),
        (40243, "app_misconfigured"),
        (41002, "app_misconfigured"),
        (41004, "app_misconfigured"),
        (45009, "platform_rate_limited"),
        (89503, "ip_not_allowed"),
        (99999, "platform_unexpected"),
    ]);
    let app = |errcode: i64| format!("wx{}", errcode.unsigned_abs());
    let mut config = String::new();
    for errcode in rows.keys() {
        let id = app(*errcode);
        let _ = write!(config, "[[apps]]\nid = '{id}'\nclient = 'orders'\nsecret = 's'\n");
    }
    let world = World::with(mode, WorldOptions::with_config(&config)).await;
    let client = world.client();
    let jobs: Vec<_> = rows
        .into_iter()
        .map(|(errcode, code)| {
            let tokens = world.simulator.at(Endpoint::StableToken);
            tokens.script_for(&app(errcode), vec![Action::Errcode(errcode); 100]).unwrap();
            let tap = world.simulator.phone_tap(PhoneTapSpec::new(&app(errcode)));
            (errcode, code, redeem(&client, &tap, 4), tap)
        })
        .collect();
    for (errcode, code, job, tap) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["error"]["code"], code, "{errcode}: {job}");
        assert_eq!(job["error"]["platform_code"], errcode, "{job}");
        assert_eq!(world.simulator.redeems_of(&tap.phone_code), 0, "the code is untouched");
    }
    // One line for each app, however many tries.
    let logs = world.logs();
    assert_eq!(logs.matches("token not fetched: calls that need it").count(), 12, "{logs}");
    assert!(!logs.contains("secret = 's'"));
}
