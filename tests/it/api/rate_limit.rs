//! A client that asks for more than its share is refused, and nobody else notices.

use std::time::{Duration, Instant};

use quhao_simulator::LoginSpec;
use quhao_tests::{
    client::{Client, Reply},
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    reload::{Reading, put, reload},
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;
use sha2::{Digest, Sha256};

const KEY: &str = "key-of-hasty";
const APP_OF_THE_HASTY: &str = "wx00000000000000aa";

in_both_modes!(
    hasty_client_gets_a_retry_after,
    reload_changes_rates_and_keeps_used_up_budgets,
    erasing_counts_towards_the_rate,
    one_client_waits_in_half_of_the_places_at_most,
);

/// Returns the configuration of a client with its rate and its app; its key is `key-of-NAME`.
fn client(name: &str, rate: &str, app: &str) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("key-of-{name}")));
    format!(
        "[[clients]]\nname = '{name}'\napi_key_sha256 = ['{digest}']\n{rate}\n\
         [[apps]]\nid = '{app}'\nclient = '{name}'\nsecret = 's3cret'\n"
    )
}

async fn hasty_world(mode: Mode) -> World {
    let config = client("hasty", "rate_per_second = 1\nrate_burst = 2", APP_OF_THE_HASTY);
    World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await
}

async fn hasty_client_gets_a_retry_after(mode: Mode) {
    let world = hasty_world(mode).await;
    let hasty = world.client().with_key(Some(KEY));
    let submit = async |client: &Client, app: &str| {
        let login = world.simulator.login(&LoginSpec::new(app));
        client.submit(&json!({"code": login.code})).await
    };
    // More than the bucket can hold, however slow this machine is: it is refilled once a
    // second.
    let mut accepted = Vec::new();
    let refused = loop {
        let reply = submit(&hasty, APP_OF_THE_HASTY).await;
        if reply.status != 202 {
            break reply;
        }
        accepted.push(reply.text_at("/url").to_owned());
        assert!(accepted.len() < 200, "no limit in sight");
    };
    assert!(accepted.len() >= 2, "the burst is taken at once");
    assert_eq!((refused.status, refused.text_at("/code")), (429, "rate_limited"));
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let seconds: u64 = refused.header("retry-after").parse().expect("whole seconds");
    assert_eq!(seconds, 1);
    // What the answer asked for, to the letter.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let reply = submit(&hasty, APP_OF_THE_HASTY).await;
    assert_eq!(reply.status, 202, "Retry-After was honoured: {}", reply.text);

    // The others go on meanwhile, and so does asking.
    let others = world.client();
    for _ in 0..10 {
        let reply = submit(&others, APP).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
    }
    for url in &accepted {
        let job = hasty.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let metrics = others.at(&world.producers[0].metrics).metrics().await;
    assert_eq!(metrics.count("quhao_rate_limited_total{client=\"hasty\"}"), 1);
    assert_eq!(metrics.count("quhao_submits_total{result=\"rate_limited\"}"), 1);
}

/// Asks until the answer is not `status`, and returns it. A budget refills once a second.
async fn first_other<F: Future<Output = Reply>>(status: u16, ask: impl Fn() -> F) -> Reply {
    for _ in 0..200 {
        let reply = ask().await;
        if reply.status != status {
            return reply;
        }
    }
    panic!("no limit in sight");
}

async fn erasing_counts_towards_the_rate(mode: Mode) {
    let world = hasty_world(mode).await;
    let hasty = world.client().with_key(Some(KEY));
    let login = world.simulator.login(&LoginSpec::new(APP_OF_THE_HASTY));
    let accepted = hasty.submit(&json!({"code": login.code})).await;
    let url = accepted.text_at("/url").to_owned();
    let person = json!({"openid": login.openid});
    let of_job = first_other(204, async || hasty.delete(&url).await).await;
    let of_person = first_other(200, async || hasty.post("/v1/erasures", &person).await).await;
    for refused in [of_job, of_person] {
        assert_eq!((refused.status, refused.text_at("/code")), (429, "rate_limited"));
        assert_eq!(refused.header("retry-after"), "1");
    }
    // What was refused did nothing, and is done when it may be.
    eventually("it may", PATIENCE, async || (hasty.delete(&url).await.status == 204).then_some(()))
        .await;
    let poll = hasty.get(&url).await;
    assert_eq!((poll.status, poll.text_at("/code")), (410, "gone"), "{}", poll.text);
    let others = world.client();
    for _ in 0..10 {
        let reply = others.post("/v1/erasures", &person).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

async fn one_client_waits_in_half_of_the_places_at_most(mode: Mode) {
    let config = "[http]\nwaiters_max = 2\n".to_owned();
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    world.simulator.set_latency(Duration::from_secs(3));
    let (client, job) = (world.client(), phone_job(&world.guest()));
    let first = {
        let client = client.clone();
        tokio::spawn(async move { client.submit_and_wait(&job, 20).await })
    };
    let metrics = client.at(&world.producers[0].metrics);
    eventually("the first waits", PATIENCE, async || {
        (metrics.metric("quhao_waiters").await == 1).then_some(())
    })
    .await;
    // As if it had not asked to wait, at a submit and at a poll.
    let second = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!((second.status, second.text_at("/status")), (202, "queued"), "{}", second.text);
    let poll = client.get_with(second.text_at("/url"), &[("prefer", "wait=20")]).await;
    assert_eq!((poll.status, poll.text_at("/status")), (200, "queued"), "{}", poll.text);
    assert!(!first.is_finished(), "the platform is quicker than it was told to be");
    let other = phone_job(&world.simulator.user(APP_ELSEWHERE));
    let third = world.client_elsewhere().submit_and_wait(&other, 20).await;
    assert_eq!((third.status, third.text_at("/status")), (200, "succeeded"), "{}", third.text);
    let first = first.await.unwrap();
    assert_eq!((first.status, first.text_at("/status")), (200, "succeeded"), "{}", first.text);
}

/// Submits until it is one too many: how many were not. Ends at `most`.
async fn accepted(client: &Client, most: usize) -> usize {
    for count in 0..most {
        let code = format!("{:032x}", rand::random::<u128>());
        let reply = client.submit(&json!({"code": code})).await;
        if reply.status == 429 {
            return count;
        }
        assert_eq!(reply.status, 202, "{}", reply.text);
    }
    most
}

async fn reload_changes_rates_and_keeps_used_up_budgets(mode: Mode) {
    const BURST: usize = 100;
    let clients = |rate_of_the_hasty: &str| {
        let rate = format!("rate_per_second = 1\nrate_burst = {BURST}");
        client("hasty", rate_of_the_hasty, APP_OF_THE_HASTY)
            + &client("steady", &rate, "wx00000000000000ab")
    };
    let world =
        World::with(mode, WorldOptions { config: clients(""), ..WorldOptions::default() }).await;
    let hasty = world.client().with_key(Some(KEY));
    let steady = world.client().with_key(Some("key-of-steady"));
    let file = world.config.folder().join("config.d/extra.toml");
    assert_eq!(accepted(&hasty, 30).await, 30, "as fast as it likes");
    assert!((BURST..2 * BURST).contains(&accepted(&steady, 2 * BURST).await));
    let used_up = Instant::now();

    // A rate comes, changes and goes. A client with another rate is a rested one.
    for (rate, burst, most) in [
        ("rate_per_second = 1\nrate_burst = 2", 2, 200),
        ("rate_per_second = 1\nrate_burst = 40", 40, 200),
        ("rate_per_second = 1", 1, 40),
        ("", 50, 50),
    ] {
        put(&file, &clients(rate));
        reload(&world, Reading::Applied).await;
        let accepted = accepted(&hasty, most).await;
        assert!(accepted >= burst, "{rate}: {accepted}");
        assert_eq!(accepted == most, rate.is_empty(), "{rate}: {accepted}");
    }
    // What came back since by the second, and no new burst.
    let further = accepted(&steady, BURST).await;
    let seconds = used_up.elapsed().as_secs();
    assert!(further as u64 <= seconds + 1, "{further} in {seconds} s");
}
