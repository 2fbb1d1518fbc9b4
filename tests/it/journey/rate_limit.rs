//! A client that submits faster than it may is told so, and nobody else notices.

use std::time::{Duration, Instant};

use quhao_simulator::LoginSpec;
use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    reload::{Reading, put, reload},
    wait::PATIENCE,
    world::{Knobs, World},
};
use serde_json::json;
use sha2::{Digest, Sha256};

const KEY: &str = "key-of-hasty";
const APP_OF_THE_HASTY: &str = "wx00000000000000aa";

in_both_modes!(
    a_hasty_client_is_told_when_to_come_back,
    a_reload_takes_rates_over_and_keeps_what_others_used_up,
);

/// The client of this name with its rate and its app, whose key is `key-of-NAME`.
fn client(name: &str, rate: &str, app: &str) -> String {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("key-of-{name}")));
    format!(
        "[[clients]]\nname = '{name}'\napi_key_sha256 = ['{digest}']\n{rate}\n\
         [[apps]]\nid = '{app}'\nclient = '{name}'\nsecret = 's3cret'\n"
    )
}

async fn hasty_world(mode: Mode) -> World {
    let config = client("hasty", "rate_per_second = 1\nrate_burst = 2", APP_OF_THE_HASTY);
    World::with(mode, Knobs { config, ..Knobs::default() }).await
}

async fn a_hasty_client_is_told_when_to_come_back(mode: Mode) {
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

    // The others go on meanwhile, and so does everything but submitting.
    let others = world.client();
    for _ in 0..10 {
        let reply = submit(&others, APP).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
    }
    for url in &accepted {
        let job = hasty.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let metrics = others.at(&world.producers[0].metrics).get("/metrics").await.text;
    let counted = "quhao_rate_limited_total{client=\"hasty\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("quhao_submits_total{result=\"rate_limited\"} 1"), "{metrics}");
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

async fn a_reload_takes_rates_over_and_keeps_what_others_used_up(mode: Mode) {
    const BURST: usize = 100;
    let clients = |rate_of_the_hasty: &str| {
        let rate = format!("rate_per_second = 1\nrate_burst = {BURST}");
        client("hasty", rate_of_the_hasty, APP_OF_THE_HASTY)
            + &client("steady", &rate, "wx00000000000000ab")
    };
    let world = World::with(mode, Knobs { config: clients(""), ..Knobs::default() }).await;
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
