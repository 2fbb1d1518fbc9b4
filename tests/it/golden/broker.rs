//! Names, arguments and messages at the broker, which builds share with each other.

use lapin::{
    message::BasicGetMessage,
    types::{AMQPValue, FieldTable, ShortString},
};
use quhao_tests::wait::{PATIENCE, eventually};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{
    amqp::Broker,
    file::{array, base64, list, named, read, text},
    product,
};

/// Jobs that are published together for the broker to be busy.
const AT_ONCE: usize = 200;

/// Finds a message that the product publishes, by its name in the file.
fn message(name: &str) -> Value {
    named("broker.json", "messages", name)
}

/// Returns the body of a message: an envelope, or an outcome.
fn body(of: &Value) -> Vec<u8> {
    match of["outcome"].as_str() {
        Some(name) => base64(&named("outcomes.json", "outcomes", name), "body"),
        None => product::envelopes(of, "envelopes").remove(0),
    }
}

#[test]
fn names_begin_as_before_by_default() {
    assert_eq!(product::prefix_by_default(), text(&read("broker.json"), "prefix"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declarations_are_as_before() {
    let broker = Broker::new().await;
    let opened = broker.seams.open().await;
    let job = message("job");
    opened.publish(&job, &body(&job)).await;
    for exchange in list("broker.json", "exchanges") {
        broker.declare_exchange_again(&exchange).await;
    }
    for queue in list("broker.json", "queues") {
        broker.declare_queue_again(&queue).await;
    }
    broker.get(&job).await;
    for binding in list("broker.json", "bindings") {
        broker.publish(&binding, b"which way").await;
        assert_eq!(broker.get(&binding).await.data, b"which way", "{binding}");
    }
    broker.close(&opened).await;
}

/// Describes what is beside a message's body, but for what a clock makes.
fn properties(message: &BasicGetMessage) -> Value {
    let properties = &message.properties;
    let mut headers = Map::new();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        let value = match value {
            // The broker's own.
            _ if name.as_str().starts_with("x-") => continue,
            AMQPValue::LongString(text) => Value::from(text.to_string()),
            AMQPValue::LongInt(number) => Value::from(*number),
            other => panic!("{name} is {other:?}"),
        };
        headers.insert(name.to_string(), value);
    }
    let written = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
    json!({
        "key": message.routing_key.to_string(),
        "type": written(properties.kind()),
        "content_type": written(properties.content_type()),
        "delivery_mode": properties.delivery_mode(),
        "message_id": written(properties.message_id()),
        "headers": headers,
    })
}

fn assert_looks_like(message: &BasicGetMessage, expected: &Value) {
    let found = properties(message);
    for (field, value) in found.as_object().unwrap() {
        assert_eq!(value, &expected[field], "{field} of {expected}");
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let sent = i64::try_from(message.properties.timestamp().unwrap()).unwrap();
    assert!((now - sent).abs() < 60, "{sent} is not of now, in seconds");
    let expires = message.properties.expiration().as_ref().map(ToString::to_string);
    match expected["expires_in_ms"].as_i64() {
        None => assert_eq!(expires, None, "{expected}"),
        Some(lifetime) => {
            let left: i64 = expires.expect("an end").parse().unwrap();
            assert!((lifetime - 60_000..=lifetime).contains(&left), "{left} ms are left");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_look_as_before() {
    let broker = Broker::new().await;
    let opened = broker.seams.open().await;
    for name in ["job", "job_without_trace"] {
        let job = message(name);
        opened.publish(&job, &body(&job)).await;
        let got = broker.get(&job).await;
        assert_eq!(got.data, body(&job));
        assert_looks_like(&got, &job);
    }
    let outcome = message("outcome");
    opened.hand_over(text(&outcome, "id"), &body(&outcome)).await;
    let got = broker.get(&outcome).await;
    assert_eq!(got.data, body(&outcome));
    assert_looks_like(&got, &outcome);
    broker.close(&opened).await;
}

/// Jobs share a message once the broker is busy: the more at once, the surer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_look_as_before() {
    let broker = Broker::new().await;
    let opened = broker.seams.open().await;
    let mut batch = message("batch");
    let body = body(&batch);
    opened.publish(&batch, &body).await;
    broker.get(&batch).await;
    let got = eventually("several jobs in a message", PATIENCE, async || {
        opened.publish_at_once(&batch, &body, AT_ONCE).await;
        let (mut jobs, mut found) = (0, None);
        while jobs < AT_ONCE {
            let got = broker.get(&batch).await;
            if got.data == body {
                jobs += 1;
            } else {
                jobs += product::unpack(&got.data).len();
                found = Some(got);
            }
        }
        found
    })
    .await;
    let bodies = product::unpack(&got.data);
    assert!(bodies.iter().all(|one| *one == body));
    batch["headers"]["quhao-jobs"] = bodies.len().into();
    assert_looks_like(&got, &batch);
    broker.close(&opened).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_before_are_taken() {
    let broker = Broker::new().await;
    let opened = broker.seams.open_to_take().await;
    let job = message("job");
    opened.publish(&job, &body(&job)).await;
    opened.take().await.done();
    for entry in list("broker.json", "taken") {
        let bodies = if let Some(name) = entry["batch"].as_str() {
            let batch = named("batches.json", "batches", name);
            broker.publish(&entry, &base64(&batch, "body")).await;
            product::envelopes(&batch, "envelopes")
        } else {
            broker.publish(&entry, &body(&entry)).await;
            vec![body(&entry)]
        };
        for body in bodies {
            let taken = opened.take().await;
            assert_eq!((taken.body(), taken.way().as_str()), (&body[..], text(&entry, "way")));
            taken.done();
        }
    }
    assert!(array(&read("broker.json"), "taken").len() > 5);
    broker.close(&opened).await;
}
