//! A client that submits faster than it may is told so, and nobody else notices.

use std::time::Duration;

use quhao_simulator::LoginSpec;
use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    wait::PATIENCE,
    world::{Knobs, World},
};
use serde_json::json;
use sha2::{Digest, Sha256};

const KEY: &str = "key-of-the-hasty";
const APP_OF_THE_HASTY: &str = "wx00000000000000aa";

in_both_modes!(a_hasty_client_is_told_when_to_come_back);

async fn hasty_world(mode: Mode) -> World {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(KEY));
    let config = format!(
        "[[clients]]\nname = 'hasty'\napi_key_sha256 = ['{digest}']\n\
         rate_per_second = 1\nrate_burst = 2\n\
         [[apps]]\nid = '{APP_OF_THE_HASTY}'\nclient = 'hasty'\nsecret = 'secret-of-the-hasty'\n"
    );
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
