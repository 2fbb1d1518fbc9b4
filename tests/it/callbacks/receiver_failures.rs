//! Receivers that misbehave, and what becomes of their callbacks.

use std::time::Duration;

use quhao_tests::{
    config::Mode,
    in_both_modes,
    receiver::{Behaviour, Received, Receiver},
    world::World,
};
use serde_json::{Value, json};

use super::delivery::{TALKATIVE, assert_discreet, job, options, wait_for_status};

in_both_modes!(receiver_that_recovers_gets_its_callback, what_a_receiver_says_is_respected,);

/// What is due again is seen at the next look, which is once a second.
const LOOK: Duration = Duration::from_millis(1100);

fn expect(callback: &Value, fields: &Value) {
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&callback[name], value, "{name} of {callback}");
    }
}

fn pauses(requests: &[Received]) -> Vec<Duration> {
    requests.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}

async fn receiver_that_recovers_gets_its_callback(mode: Mode) {
    let receiver = Receiver::start().await;
    receiver.then([Behaviour::Status(500), Behaviour::HangUp]);
    let world = World::with(mode, options(&receiver, TALKATIVE, "")).await;
    let client = world.client();
    let reply = client.submit(&job(&world, &receiver)).await;

    receiver.wait_for(1, Duration::from_secs(20)).await;
    let due = wait_for_status(&client, reply.text_at("/url"), "due").await;
    assert_eq!(due["status"], "succeeded", "the job itself is done: {due}");
    let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;
    expect(&job["callback"], &json!({"attempts": 3, "last_status": 204, "last_error": null}));

    let requests = receiver.received();
    assert_eq!(requests.len(), 3);
    for callback in &requests[1..] {
        assert_eq!(callback.header("webhook-id"), requests[0].header("webhook-id"));
        assert_eq!(callback.body, requests[0].body);
    }
    let pauses = pauses(&requests);
    let (first, second) = (Duration::from_millis(500), Duration::from_secs(1));
    assert!(pauses[0] >= first && pauses[1] >= second, "they grow: {pauses:?}");
    // Each attempt is signed at its own time: receivers refuse old ones.
    let times: Vec<i64> = requests
        .iter()
        .map(|callback| callback.header("webhook-timestamp").parse().unwrap())
        .collect();
    assert!(times[0] < times[2], "{times:?}");
    let phone = job["result"]["phone"]["pure_phone_number"].as_str().unwrap();
    assert_discreet(&world, &requests, phone);
}

/// Cases one after the other: what the receiver does, and what comes of it.
async fn what_a_receiver_says_is_respected(mode: Mode) {
    let receiver = Receiver::start().await;
    let settings = "timeout_seconds = 0.5\ntotal_seconds = 8\nattempts_max = 2";
    let world = World::with(mode, options(&receiver, settings, "")).await;
    let client = world.client();
    let wait = |status, seconds: &str| Behaviour::Header(status, "retry-after", seconds.to_owned());
    let elsewhere = Behaviour::Header(302, "location", receiver.url("/hooks/elsewhere"));
    let cases = [
        (vec![Behaviour::Status(410)], 1, json!(410), json!("gone"), "failed"),
        (vec![Behaviour::Status(500); 2], 2, json!(500), json!("status"), "failed"),
        (vec![Behaviour::Status(404); 2], 2, json!(404), json!("status"), "failed"),
        (vec![elsewhere; 2], 2, json!(302), json!("redirect"), "failed"),
        (vec![Behaviour::Hang; 2], 2, Value::Null, json!("timed_out"), "failed"),
        (vec![Behaviour::HangUp; 2], 2, Value::Null, json!("no_answer"), "failed"),
        (vec![wait(429, "3")], 2, json!(204), Value::Null, "delivered"),
        // Beyond the whole time: no use in waiting for that.
        (vec![wait(503, "3600")], 1, json!(503), json!("status"), "failed"),
        (vec![Behaviour::Flood(1 << 30)], 1, json!(200), Value::Null, "delivered"),
    ];
    for (behaviours, attempts, status, error, end) in cases {
        let before = receiver.received().len();
        let planned = behaviours.clone();
        receiver.then(behaviours);
        let reply = client.submit(&job(&world, &receiver)).await;
        let job = wait_for_status(&client, reply.text_at("/url"), end).await;
        let expected = json!({
            "attempts": attempts, "last_status": status, "last_error": error,
            "next_attempt_at": null,
        });
        expect(&job["callback"], &expected);
        assert!(job["callback"]["finished_at"].is_string(), "{planned:?}");
        let requests = &receiver.received()[before..];
        assert_eq!(requests.len(), attempts, "{planned:?}");
        for callback in requests {
            assert!(callback.line.starts_with("POST /hooks/canary-token"), "{}", callback.line);
        }
        if let [Behaviour::Header(429, ..)] = planned[..] {
            let pause = pauses(requests)[0];
            let asked = Duration::from_secs(3);
            assert!(pause >= asked && pause < asked + 3 * LOOK, "{pause:?}");
        }
    }
    assert!(receiver.flooded() < 64 << 20, "{} bytes were taken", receiver.flooded());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_answer_takes_no_memory() {
    let receiver = Receiver::start().await;
    let world = World::with(Mode::Embedded, options(&receiver, "", "")).await;
    let client = world.client();
    let process = &world.producers[0].process;
    let first = client.submit(&job(&world, &receiver)).await;
    wait_for_status(&client, first.text_at("/url"), "delivered").await;
    let before = process.resident_bytes();
    receiver.otherwise(Behaviour::Flood(1 << 30));
    for _ in 0..5 {
        let reply = client.submit(&job(&world, &receiver)).await;
        wait_for_status(&client, reply.text_at("/url"), "delivered").await;
    }
    let more = process.resident_bytes().saturating_sub(before);
    assert!(more < 48 << 20, "{more} bytes more than before");
}

/// Returns the configuration of a further client with an app, as a merchant's own file would
/// bring it. Its API key is `slow-key`.
fn slow_client(receiver: &Receiver) -> String {
    format!(
        "[[clients]]\nname = 'slow'\nwebhook_secret = ['{SLOW_SECRET}']\n\
         api_key_sha256 = ['6fa0d18ad9d40c2e55ddba9c9110a429590843f1c7096d894e1f3aa68c420cee']\n\
         [[apps]]\nid = 'wxslow'\nclient = 'slow'\nsecret = 'unknown-to-the-platform'\n\
         callback_allow = ['{}']\n",
        receiver.url("/")
    )
}

const SLOW_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_up_no_other() {
    let (hanging, receiver) = (Receiver::start().await, Receiver::start().await);
    hanging.otherwise(Behaviour::Hang);
    let mut options = options(&receiver, "concurrency = 8\ntimeout_seconds = 20", "");
    options.config.push_str(&slow_client(&hanging));
    let world = World::with(Mode::Embedded, options).await;
    let slow = world.client().with_key(Some("slow-key"));
    for number in 0..12 {
        let job = json!({"code": format!("code-{number}"), "callback_url": hanging.url("/hook")});
        let reply = slow.submit_and_wait(&job, 20).await;
        assert_eq!(reply.text_at("/status"), "failed", "{}", reply.text);
    }
    hanging.wait_for(2, Duration::from_secs(10)).await;
    for _ in 0..5 {
        let reply = world.client().submit(&job(&world, &receiver)).await;
        wait_for_status(&world.client(), reply.text_at("/url"), "delivered").await;
    }
    let held = hanging.connections();
    assert!((2..4).contains(&held), "less than half of eight are held by the one: {held}");
}
