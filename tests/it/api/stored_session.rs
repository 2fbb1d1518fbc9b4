//! Payloads that an earlier login's session opens.

use std::time::Duration;

use quhao_simulator::{Encrypted, LoginSpec, PhonePayload};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    world::World,
};
use serde_json::{Value, json};

const PHONE: &str = "13580006666";

in_both_modes!(
    a_session_opens_a_later_tap_without_a_call,
    a_login_in_the_buttons_callback_does_no_harm,
    the_previous_key_is_tried_and_no_older_one,
    a_session_that_was_erased_is_unknown,
);

async fn end(world: &World, job: &Value) -> Value {
    let client = world.client();
    let reply = client.submit(job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    client.wait_until_done(reply.text_at("/url"), Duration::from_secs(40)).await
}

/// Logs the guest in, the usual way, and returns the finished job.
async fn log_in(world: &World, spec: &LoginSpec) -> Value {
    let login = world.simulator.login(spec);
    let job = end(world, &json!({"code": login.code})).await;
    assert_eq!(job["result"]["openid"], login.openid, "{job}");
    job["result"].clone()
}

/// Returns what the phone-number button gives a guest with this session key.
fn tapped(session_key: &str) -> Encrypted {
    PhonePayload::mainland(APP, PHONE).encrypt(session_key).unwrap()
}

fn session_job(session: &Value, payload: &Encrypted) -> Value {
    json!({"session": session, "encrypted_data": payload.encrypted_data, "iv": payload.iv})
}

fn openid(result: &Value) -> String {
    result["openid"].as_str().unwrap().to_owned()
}

async fn a_session_opens_a_later_tap_without_a_call(mode: Mode) {
    let world = World::start(mode).await;
    let guest = log_in(&world, &LoginSpec::new(APP).unionid("union")).await;
    assert!(guest["session"].as_str().is_some_and(|text| text.starts_with("ses_")), "{guest}");
    let calls = world.simulator.counts().calls;
    for _ in 0..2 {
        let key = world.simulator.session_key(APP, &openid(&guest));
        let job = end(&world, &session_job(&guest["session"], &tapped(&key))).await;
        let result = &job["result"];
        assert_eq!(result["phone"]["pure_phone_number"], PHONE, "{job}");
        for field in ["openid", "unionid", "session"] {
            assert_eq!(result[field], guest[field], "{field}");
        }
    }
    assert_eq!(world.simulator.counts().calls, calls, "the platform is not asked");
}

/// The classic mistake: tapped under the old key, submitted with a code that gives a new one.
async fn a_login_in_the_buttons_callback_does_no_harm(mode: Mode) {
    let world = World::start(mode).await;
    let guest = log_in(&world, &LoginSpec::new(APP)).await;
    let openid = openid(&guest);
    let Encrypted { encrypted_data: data, iv } = tapped(&world.simulator.session_key(APP, &openid));
    let login = world.simulator.login(&LoginSpec::new(APP).openid(&openid).rotate());
    let job = end(&world, &json!({"code": login.code, "encrypted_data": data, "iv": iv})).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], PHONE, "{job}");
    assert_eq!(job["result"]["session"], guest["session"], "it is the guest's, not the key's");
    // Somebody who was never here has no older session to help.
    let stranger = world.simulator.login(&LoginSpec::new(APP));
    let Encrypted { encrypted_data: data, iv } = tapped(&stranger.session_key);
    let again = world.simulator.login(&LoginSpec::new(APP).openid(&stranger.openid).rotate());
    let job = end(&world, &json!({"code": again.code, "encrypted_data": data, "iv": iv})).await;
    assert_eq!(job["error"]["code"], "decrypt_failed", "{job}");
}

async fn the_previous_key_is_tried_and_no_older_one(mode: Mode) {
    let world = World::start(mode).await;
    let guest = log_in(&world, &LoginSpec::new(APP)).await;
    let first = tapped(&world.simulator.session_key(APP, &openid(&guest)));
    let rotated = LoginSpec::new(APP).openid(&openid(&guest)).rotate();

    let again = log_in(&world, &rotated).await;
    assert_eq!(again["session"], guest["session"]);
    let second = tapped(&world.simulator.session_key(APP, &openid(&guest)));
    for payload in [&first, &second] {
        let job = end(&world, &session_job(&guest["session"], payload)).await;
        assert_eq!(job["result"]["phone"]["pure_phone_number"], PHONE, "{job}");
    }

    log_in(&world, &rotated).await;
    let mut job = session_job(&guest["session"], &first);
    job["metadata"] = json!({"try": 2}); // else it would be the job that has succeeded
    let job = end(&world, &job).await;
    assert_eq!(job["error"]["code"], "decrypt_failed", "{job}");
    assert_eq!(job["error"]["advice"], "login_then_tap");
    let mut job = session_job(&guest["session"], &second);
    job["metadata"] = json!({"try": 2});
    let job = end(&world, &job).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], PHONE, "{job}");
}

async fn a_session_that_was_erased_is_unknown(mode: Mode) {
    let world = World::start(mode).await;
    let guest = log_in(&world, &LoginSpec::new(APP)).await;
    let payload = tapped(&world.simulator.session_key(APP, &openid(&guest)));
    let headers = [("content-type", "application/json")];
    let body = json!({"openid": openid(&guest)}).to_string();
    let client = world.client();
    let erased = client.request("POST".parse().unwrap(), "/v1/erasures", &headers, Some(body));
    let erased = erased.await.unwrap();
    assert_eq!((erased.status, &erased.body["sessions"]), (200, &json!(1)), "{}", erased.text);
    let job = end(&world, &session_job(&guest["session"], &payload)).await;
    assert_eq!(job["error"]["code"], "session_unknown", "{job}");
    assert_eq!(job["error"]["advice"], "login_then_tap");
    // The next login makes it good again.
    let again = log_in(&world, &LoginSpec::new(APP).openid(&openid(&guest))).await;
    assert_eq!(again["session"], guest["session"]);
    let mut job = session_job(&guest["session"], &payload);
    job["metadata"] = json!({"try": 2});
    let job = end(&world, &job).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], PHONE, "{job}");
}
