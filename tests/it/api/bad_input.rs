//! Whatever a client sends gets an answer that names what is wrong, and never a 500.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use quhao_tests::{
    client::{Client, Reply},
    config::Mode,
    in_both_modes,
    world::{World, phone_job},
};
use reqwest::Method;
use serde_json::{Value, json};

in_both_modes!(every_problem_names_its_field, accidents_of_transport_end_as_listed);

async fn post(client: &Client, body: &str) -> Reply {
    let headers = [("content-type", "application/json")];
    client.request(Method::POST, "/v1/jobs", &headers, Some(body.to_owned())).await.unwrap()
}

/// Returns the fields that a problem names, sorted.
fn fields(reply: &Reply) -> Vec<&str> {
    let errors = reply.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut fields: Vec<_> = errors.iter().filter_map(|error| error["field"].as_str()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

async fn every_problem_names_its_field(mode: Mode) {
    let world = World::start(mode).await;
    let (client, guest) = (world.client(), world.guest());
    let good = phone_job(&guest);
    let with = |changes: Value| {
        let mut job = good.clone();
        for (field, value) in changes.as_object().unwrap() {
            job[field] = value.clone();
        }
        job
    };
    let long = "x".repeat(513);
    let cases = [
        (with(json!({"code": ""})), vec!["code"]),
        (with(json!({"code": "undefined"})), vec!["code"]),
        (with(json!({"code": long})), vec!["code"]),
        (with(json!({"code": 7})), vec!["code"]),
        (with(json!({"iv": "AAAA"})), vec!["iv"]),
        (with(json!({"iv": null})), vec!["iv"]),
        (with(json!({"encrypted_data": "null"})), vec!["encrypted_data"]),
        (with(json!({"expect": "miracles"})), vec!["expect"]),
        (with(json!({"deadline_seconds": 0})), vec!["deadline_seconds"]),
        (with(json!({"deadline_seconds": 291})), vec!["deadline_seconds"]),
        (with(json!({"deadline_seconds": 1.5})), vec!["deadline_seconds"]),
        (with(json!({"deadline_seconds": "9"})), vec!["deadline_seconds"]),
        (with(json!({"metadata": []})), vec!["metadata"]),
        (with(json!({"metadata": {"a": "x".repeat(2048)}})), vec!["metadata"]),
        (with(json!({"callback_url": "https://example.com/"})), vec!["callback_url"]),
        (with(json!({"callback_url": "somewhere"})), vec!["callback_url"]),
        (with(json!({"session": "ses_x"})), vec!["session"]),
        (with(json!({"phone_code": "p"})), vec!["phone_code"]),
        (with(json!({"openid": "o"})), vec!["openid"]),
        (json!({"phone_code": "null"}), vec!["phone_code"]),
        (json!({"phone_code": "a b"}), vec!["phone_code"]),
        (json!({"phone_code": long}), vec!["phone_code"]),
        (json!({"phone_code": "p", "openid": "a b"}), vec!["openid"]),
        (json!({"phone_code": "p", "expect": "open_data"}), vec!["expect"]),
        (json!({"session": "ses_x"}), vec!["encrypted_data", "iv", "session"]),
        (with(json!({"colour": "red"})), vec!["colour"]),
        (
            with(json!({"iv": "!", "expect": 1, "deadline_seconds": -1, "zzz": 0})),
            vec!["deadline_seconds", "expect", "iv", "zzz"],
        ),
        (json!({"code": guest.code, "iv": guest.iv}), vec!["encrypted_data"]),
        (json!({"iv": guest.iv, "encrypted_data": guest.encrypted_data}), vec!["code"]),
        (json!({}), vec!["code"]),
    ];
    for (job, wanted) in cases {
        let reply = post(&client, &job.to_string()).await;
        assert_eq!(reply.status, 422, "{wanted:?}: {}", reply.text);
        assert_eq!(fields(&reply), wanted, "{}", reply.text);
        for error in reply.body["errors"].as_array().unwrap() {
            assert!(error["code"].is_string() && error["detail"].is_string(), "{}", reply.text);
        }
    }
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("\u{0}", 400),
        ("[]", 422),
        ("\"text\"", 422),
        (&*format!("{{\"code\":\"{}\"}}", "x".repeat(70_000)), 413),
        (r#"{"code":"a","code":"b"}"#, 422),
    ] {
        let reply = post(&client, body).await;
        assert_eq!(reply.status, status, "{:.40}: {}", body, reply.text);
    }
    assert_eq!(world.simulator.counts().calls, 0, "no job was made");
}

async fn accidents_of_transport_end_as_listed(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let percent = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let wrap = |text: &str, with: &str| {
        text.as_bytes().chunks(32).map(String::from_utf8_lossy).collect::<Vec<_>>().join(with)
    };
    let repaired: [&dyn Fn(&str) -> String; 8] = [
        &|text| text.replace('+', " "),
        &|text| wrap(text, "\n"),
        &|text| wrap(text, "\r\n"),
        &|text| wrap(text, " "),
        &|text| text.trim_end_matches('=').to_owned(),
        &|text| format!("{text}="),
        &|text| text.replace('/', "\\/"),
        &|text| percent(text),
    ];
    for accident in repaired {
        let guest = world.guest();
        let mut job = phone_job(&guest);
        job["encrypted_data"] = json!(accident(&guest.encrypted_data));
        let reply = client.submit_and_wait(&job, 20).await;
        let phone = reply.text_at("/result/phone/pure_phone_number");
        assert_eq!(phone, guest.phone, "{job}: {}", reply.text);
    }
    let guest = loop {
        let guest = world.guest();
        if guest.encrypted_data.matches('+').count() % 16 != 0 {
            break guest;
        }
    };
    for lost in
        [guest.encrypted_data.replace('+', ""), "undefined".into(), "null".into(), String::new()]
    {
        let mut job = phone_job(&guest);
        job["encrypted_data"] = json!(lost);
        let reply = post(&client, &job.to_string()).await;
        assert_eq!((reply.status, fields(&reply)), (422, vec!["encrypted_data"]), "{}", reply.text);
    }
    assert_eq!(world.simulator.calls_of(&guest.code), 0);
}

/// Generates JSON of any shape, with the contract's field names often enough to matter.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "[A-Za-z0-9+/= %\\\\_-]{0,64}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(any_name(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Generates the name of a field of the contract, or any other name.
fn any_name() -> impl Strategy<Value = String> + Clone {
    let known = prop::sample::select(vec![
        "app_id",
        "code",
        "encrypted_data",
        "encryptedData",
        "iv",
        "session",
        "phone_code",
        "openid",
        "e164",
        "expect",
        "deadline_seconds",
        "callback_url",
        "metadata",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "\\PC{0,12}"]
}

#[test]
fn nothing_that_a_client_sends_makes_a_500() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start(Mode::Embedded));
    let client = world.client();
    let mut runner =
        TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let header = "[ -~]{0,60}";
    let input = (
        any_json(),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..60),
        header,
        header,
        "\\PC{0,60}",
    );
    runner
        .run(&input, |(json, whole, noise, idempotency_key, prefer, path)| {
            let body =
                if whole { json.to_string() } else { String::from_utf8_lossy(&noise).into_owned() };
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", &*idempotency_key),
                ("prefer", &*prefer.replace("wait", "w")),
                ("traceparent", &*prefer),
            ];
            let answers = runtime.block_on(async {
                let post = async |path| {
                    client.request(Method::POST, path, &headers, Some(body.clone())).await.unwrap()
                };
                let path: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
                let job = format!("/v1/jobs/{path}?expires={path}");
                [
                    post("/v1/jobs").await,
                    post("/v1/erasures").await,
                    client.get(&job).await,
                    client.delete(&job).await,
                    client.get(&format!("/v1/sessions/{path}")).await,
                ]
            });
            for answer in answers {
                prop_assert!(answer.status < 500, "{}: {}", answer.status, answer.text);
                if answer.status >= 400 {
                    prop_assert_eq!(answer.header("content-type"), "application/problem+json");
                    prop_assert!(!answer.text_at("/code").is_empty());
                }
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(async { drop(world) });
}
