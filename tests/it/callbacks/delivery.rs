//! The event of a result: its contents, its signature, and what its owner sees of it.

use std::time::Duration;

use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    receiver::{Received, Receiver},
    verifier::verify,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Value, json};

in_both_modes!(
    success_event_is_signed_and_omits_the_result,
    a_result_goes_along_where_the_app_says_so,
    failure_event_carries_the_error,
);

/// Returns the options of a world whose app may call `receiver`. `callbacks` are further
/// settings of callbacks, `app` further ones of the app, in TOML.
pub(crate) fn options(receiver: &Receiver, callbacks: &str, app: &str) -> WorldOptions {
    let config =
        format!("[callbacks]\nallow_http = true\nallow_networks = ['127.0.0.0/8']\n{callbacks}\n");
    let app = format!("callback_allow = ['{}']\n{app}\n", receiver.url("/hooks"));
    WorldOptions { config, app, ..WorldOptions::default() }
}

/// For the log to tell all that it ever would.
pub(crate) const TALKATIVE: &str = "[log]\nfilter = 'trace'";

/// Makes sure that no log line has where callbacks go, what they say, or what signs them.
pub(crate) fn assert_discreet(world: &World, sent: &[Received], phone: &str) {
    let logs = world.logs();
    assert!(logs.contains("\"TRACE\"") || logs.contains("\"DEBUG\""), "the filter is on");
    let secrets = world.config.secrets().iter().map(String::as_str);
    let signatures = sent.iter().flat_map(|sent| sent.header("webhook-signature").split(' '));
    for canary in ["canary-token", "table=7", phone].into_iter().chain(secrets).chain(signatures) {
        assert!(!logs.contains(canary), "{canary} stands in a log line");
    }
}

/// Returns the job of a new guest, with a callback to `/hooks/TOKEN` at `receiver`.
pub(crate) fn job(world: &World, receiver: &Receiver) -> Value {
    let mut job = phone_job(&world.guest());
    job["callback_url"] = json!(receiver.url("/hooks/canary-token?table=7"));
    job
}

/// Waits until the callback of the job at `url` has `status`, and returns the job.
pub(crate) async fn wait_for_status(client: &Client, url: &str, status: &str) -> Value {
    eventually(&format!("a callback that is {status}"), PATIENCE, async || {
        let job = client.get(url).await.body;
        (job["callback"]["status"] == status).then_some(job)
    })
    .await
}

/// Returns a finished job as an event carries it: without the callback's own state.
fn in_event(mut job: Value, whole: bool) -> Value {
    let fields = job.as_object_mut().unwrap();
    fields.remove("callback").expect("its state");
    if !whole {
        fields["result"] = Value::Null;
    }
    job
}

/// Asserts that both secrets of the client verify it, since it is rotating them, and no other
/// does. Returns the payload that the library reads.
fn proven(world: &World, callback: &Received) -> Value {
    let signatures = callback.header("webhook-signature");
    assert_eq!(signatures.split(' ').count(), 2, "{signatures}");
    let [old, new] = &world.config.webhook_secrets;
    let payload = verify(old, callback).expect("one secret");
    assert_eq!(verify(new, callback).as_ref(), Ok(&payload), "the other secret");
    let stranger = verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", callback);
    assert!(stranger.is_err_and(|error| error.contains("No matching signature")));
    for (changed, what) in [
        (Received { body: callback.body.replace("job.", "jab."), ..callback.clone() }, "body"),
        (with_header(callback, "webhook-id", "job_other"), "id"),
        (with_header(callback, "webhook-timestamp", "1700000000"), "timestamp"),
    ] {
        assert!(verify(old, &changed).is_err(), "a changed {what} is accepted");
    }
    payload
}

fn with_header(callback: &Received, name: &str, value: &str) -> Received {
    let mut changed = callback.clone();
    for (found, text) in &mut changed.headers {
        if found == name {
            value.clone_into(text);
        }
    }
    changed
}

async fn success_event_is_signed_and_omits_the_result(mode: Mode) {
    let receiver = Receiver::start().await;
    let world = World::with(mode, options(&receiver, TALKATIVE, "")).await;
    let client = world.client();
    // A job without a callback URL makes no event.
    let silent = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(silent.text_at("/status"), "succeeded", "{}", silent.text);
    assert_eq!(silent.body.get("callback"), None);

    let mut submission = job(&world, &receiver);
    submission["metadata"] = json!({"order": 4711});
    let reply = client.submit(&submission).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;

    let requests = receiver.received();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let callback = &requests[0];
    assert_eq!(callback.line, "POST /hooks/canary-token?table=7 HTTP/1.1");
    let id = job["id"].as_str().unwrap();
    assert_eq!(callback.header("webhook-id"), format!("{id}_succeeded"));
    assert_eq!(callback.header("content-type"), "application/json");
    assert!(callback.header("user-agent").starts_with("quhao/"));
    for absent in ["authorization", "cookie", "referer"] {
        assert_eq!(callback.header(absent), "", "{absent}");
    }
    let payload = proven(&world, callback);
    assert_eq!(payload["type"], "job.succeeded");
    assert_eq!(payload["timestamp"], job["finished_at"]);
    assert_eq!(payload["data"]["metadata"], json!({"order": 4711}));
    assert_eq!(payload["data"], in_event(job.clone(), false));
    let phone = job["result"]["phone"]["pure_phone_number"].as_str().unwrap();
    assert!(!callback.body.contains(phone), "thin");

    let state = &job["callback"];
    for (name, value) in [
        ("attempts", json!(1)),
        ("last_status", json!(204)),
        ("last_error", Value::Null),
        ("next_attempt_at", Value::Null),
    ] {
        assert_eq!(state[name], value, "{name}");
    }
    assert!(state["finished_at"].is_string());
    assert_discreet(&world, &requests, phone);
    let metrics = client.at(&world.worker_metrics()).get("/metrics").await.text;
    for line in [
        "quhao_callbacks_total{state=\"delivered\"} 1",
        "quhao_callback_seconds_count 1",
        "quhao_callback_attempt_seconds_count{result=\"delivered\"} 1",
        "quhao_callbacks_under_way 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
}

async fn a_result_goes_along_where_the_app_says_so(mode: Mode) {
    let receiver = Receiver::start().await;
    let world = World::with(mode, options(&receiver, "", "callback_body = 'whole'")).await;
    let client = world.client();
    let reply = client.submit(&job(&world, &receiver)).await;
    let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;
    let payload = proven(&world, &receiver.received()[0]);
    assert_eq!(payload["data"], in_event(job.clone(), true));
    assert_eq!(payload["data"]["result"]["phone"], job["result"]["phone"]);
    assert!(job["result"]["phone"]["e164"].is_string());
}

async fn failure_event_carries_the_error(mode: Mode) {
    let receiver = Receiver::start().await;
    let world = World::with(mode, options(&receiver, "", "callback_body = 'whole'")).await;
    let client = world.client();
    let submission = json!({
        "app_id": APP, "code": "nobody-made-this-code", "callback_url": receiver.url("/hooks"),
    });
    // Who waits for the answer sees the callback too, though not yet its end.
    let reply = client.submit_and_wait(&submission, 20).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.text_at("/error/code"), "code_invalid");
    assert!(reply.body["callback"]["status"].is_string(), "{}", reply.text);

    let job = wait_for_status(&client, reply.text_at("/url"), "delivered").await;
    let requests = receiver.wait_for(1, Duration::from_secs(1)).await;
    let id = job["id"].as_str().unwrap();
    assert_eq!(requests[0].header("webhook-id"), format!("{id}_failed"));
    let payload = proven(&world, &requests[0]);
    assert_eq!(payload["type"], "job.failed");
    assert_eq!(payload["data"], in_event(job, true));
    // The same submission again is the same job, and no further event.
    client.submit_and_wait(&submission, 20).await;
    assert_eq!(receiver.received().len(), 1);
}
