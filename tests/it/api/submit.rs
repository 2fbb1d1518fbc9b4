//! The ways in and out that work as they should.

use std::time::Duration;

use quhao_simulator::{LoginSpec, PhonePayload};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    wait::PATIENCE,
    world::{World, phone_job},
};
use serde_json::{Value, json};

in_both_modes!(
    a_tap_becomes_a_phone_number,
    a_login_alone_gives_the_openid,
    the_same_submission_is_the_same_job,
    metadata_come_back_to_the_letter,
    login_in_the_tap_recovers_by_the_stored_session,
    a_wait_ends_with_202_when_there_is_nothing_yet,
    repaired_input_counts_as_the_same_submission,
);

async fn a_tap_becomes_a_phone_number(mode: Mode) {
    let world = World::start(mode).await;
    let guest = world.guest();
    let client = world.client();

    let reply = client.submit(&phone_job(&guest)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(reply.header("location"), reply.text_at("/url"));
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(reply.text_at("/status"), "queued");
    assert!(!reply.header("x-request-id").is_empty());
    assert_eq!(reply.text_at("/app_id"), APP);

    let job = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
    assert_eq!(job["status"], "succeeded");
    for same in ["id", "created_at", "expires_at"] {
        assert_eq!(job[same], reply.body[same], "{same}");
    }
    assert_eq!(job["error"], Value::Null);
    assert_eq!(
        job["result"]["phone"],
        json!({
            "e164": format!("+86{}", guest.phone), "phone_number": guest.phone,
            "pure_phone_number": guest.phone, "country_code": "86",
        })
    );
    assert_eq!(job["result"]["openid"], json!(guest.openid));
    assert_eq!(job["result"]["unionid"], json!(guest.unionid));
    let session = job["result"]["session"].as_str().unwrap_or_default();
    assert!(session.starts_with("ses_") && session.len() == 44, "{job}");
    assert_eq!(job.get("callback"), None, "nobody asked for one");
}

async fn a_login_alone_gives_the_openid(mode: Mode) {
    let world = World::start(mode).await;
    let login = world.simulator.login(&LoginSpec::new(APP));
    // The client owns one app, so its id may be left out.
    let reply = world.client().submit_and_wait(&json!({"code": login.code}), 20).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.text_at("/result/openid"), login.openid);
    assert_eq!(reply.body["result"]["phone"], Value::Null);
    assert_eq!(reply.body["result"]["unionid"], json!(login.unionid));
}

async fn the_same_submission_is_the_same_job(mode: Mode) {
    let world = World::start(mode).await;
    let (client, guest) = (world.client(), world.guest());
    let job = phone_job(&guest);
    let first = client.submit_and_wait(&job, 20).await;
    assert_eq!(first.status, 200, "{}", first.text);

    let mut later = job.clone();
    later["deadline_seconds"] = json!(30);
    let again = client.submit_and_wait(&later, 20).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.body["id"], first.body["id"]);
    assert_eq!(again.body["result"], first.body["result"]);
    assert_eq!(world.simulator.counts().calls, 1, "answered from the store");

    // Another Idempotency-Key is another job, and finds the session of the first.
    let with_key = async |key| {
        client.submit_with(&job, &[("idempotency-key", key), ("prefer", "wait=20")]).await
    };
    let refused = with_key("a blank is not visible").await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let other = with_key("second-try").await;
    assert_ne!(other.body["id"], first.body["id"]);
    assert_eq!(other.text_at("/status"), "succeeded", "{}", other.text);
    assert_eq!(other.body["result"]["phone"], first.body["result"]["phone"]);
    assert_eq!(world.simulator.exchanges_of(&guest.code), 1);
}

async fn metadata_come_back_to_the_letter(mode: Mode) {
    let world = World::start(mode).await;
    let guest = world.guest();
    let metadata = r#"{"table": 12,  "big": 12345678901234567890123, "e": 1.50, "é": "\u0041"}"#;
    let body = format!(
        r#"{{"code":"{}","encrypted_data":"{}","iv":"{}","metadata":{metadata}}}"#,
        guest.code, guest.encrypted_data, guest.iv
    );
    let headers = [("content-type", "application/json"), ("prefer", "wait=20")];
    let client = world.client();
    let reply =
        client.request(reqwest::Method::POST, "/v1/jobs", &headers, Some(body)).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(reply.text.contains(metadata), "{}", reply.text);
}

async fn login_in_the_tap_recovers_by_the_stored_session(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let first = world.simulator.login(&LoginSpec::new(APP));
    let reply = client.submit_and_wait(&json!({"code": first.code}), 20).await;
    assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);

    // The tap is encrypted under the key of then; `wx.login` in its callback rotates it.
    let tapped = PhonePayload::mainland(APP, "13580006666").encrypt(&first.session_key).unwrap();
    let second = world.simulator.login(&LoginSpec::new(APP).openid(&first.openid).rotate());
    assert_ne!(second.session_key, first.session_key);
    let job = json!({
        "code": second.code, "encrypted_data": tapped.encrypted_data, "iv": tapped.iv,
    });
    let reply = client.submit_and_wait(&job, 20).await;
    assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
    assert_eq!(reply.text_at("/result/phone/e164"), "+8613580006666");
}

async fn a_wait_ends_with_202_when_there_is_nothing_yet(mode: Mode) {
    let world = World::start(mode).await;
    world.simulator.set_latency(Duration::from_secs(3));
    let (client, guest) = (world.client(), world.guest());
    let reply = client.submit_and_wait(&phone_job(&guest), 1).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    assert_eq!(reply.text_at("/status"), "queued");
    let url = reply.text_at("/url").to_owned();
    let reply = client.get_with(&url, &[("prefer", "wait=1")]).await;
    assert_eq!((reply.status, reply.text_at("/status")), (200, "queued"), "{}", reply.text);
    let reply = client.get_with(&url, &[("prefer", "wait=20")]).await;
    assert_eq!((reply.status, reply.text_at("/status")), (200, "succeeded"), "{}", reply.text);
}

async fn repaired_input_counts_as_the_same_submission(mode: Mode) {
    let world = World::start(mode).await;
    let (client, guest) = (world.client(), world.guest());
    let first = client.submit_and_wait(&phone_job(&guest), 20).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let damaged = json!({
        "code": guest.code,
        "encryptedData": guest.encrypted_data.replace('+', " ").replace('/', "\\/"),
        "iv": guest.iv.replace('+', "-").replace('/', "_").trim_end_matches('='),
    });
    let again = client.submit_and_wait(&damaged, 20).await;
    assert_eq!(again.body["id"], first.body["id"], "{}", again.text);
}
