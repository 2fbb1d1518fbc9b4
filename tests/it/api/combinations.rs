//! Every combination of fields that the contract knows is worked on, and every other is
//! refused before anything happens.

use quhao_simulator::{LoginSpec, PhonePayload, PhoneTapSpec};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

in_both_modes!(
    every_combination_is_worked_on,
    every_other_combination_is_refused,
    app_of_a_third_party_platform_gets_no_phone_code,
);

async fn every_combination_is_worked_on(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let done = async |job: Value| -> Value {
        let reply = client.submit_and_wait(&job, 20).await;
        assert_eq!(reply.text_at("/status"), "succeeded", "{job}: {}", reply.text);
        reply.body["result"].clone()
    };

    let login = world.simulator.login(&LoginSpec::new(APP).unionid("u-1"));
    let alone = done(json!({"code": login.code})).await;
    assert_eq!(alone["phone"], Value::Null);
    assert_eq!((&alone["openid"], &alone["unionid"]), (&json!(login.openid), &json!("u-1")));
    let session = alone["session"].as_str().expect("a handle");
    assert!(session.starts_with("ses_") && session.len() == 44, "{session}");

    let guest = world.guest();
    let whole = done(phone_job(&guest)).await;
    assert_eq!(whole["phone"]["pure_phone_number"], json!(guest.phone));
    assert!(whole["session"].is_string());

    // Both names of the ciphertext, and no further call to the platform.
    let calls = world.simulator.counts().calls;
    for (name, number) in [("encrypted_data", "13580006601"), ("encryptedData", "13580006602")] {
        let tapped = PhonePayload::mainland(APP, number).encrypt(&login.session_key).unwrap();
        let stored =
            done(json!({"session": session, name: tapped.encrypted_data, "iv": tapped.iv})).await;
        assert_eq!(stored["phone"]["pure_phone_number"], number);
        assert_eq!((&stored["openid"], &stored["session"]), (&alone["openid"], &alone["session"]));
    }
    assert_eq!(world.simulator.counts().calls, calls, "the stored session was enough");

    let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP));
    let bare = done(json!({"phone_code": tap.phone_code})).await;
    assert_eq!(bare["phone"]["pure_phone_number"], json!(tap.phone));
    for unknown in ["openid", "unionid", "session"] {
        assert_eq!(bare[unknown], Value::Null, "{unknown}: {bare}");
    }
    let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP));
    let known = done(json!({"phone_code": tap.phone_code, "openid": tap.openid})).await;
    assert_eq!(known["phone"]["pure_phone_number"], json!(tap.phone));
    assert_eq!((&known["openid"], &known["session"]), (&json!(tap.openid), &Value::Null));
}

/// Every set of the fields that make a combination, with values that are each fine.
async fn every_other_combination_is_refused(mode: Mode) {
    let world = World::start(mode).await;
    let (client, guest) = (world.client(), world.guest());
    let login = world.simulator.login(&LoginSpec::new(APP));
    let first = client.submit_and_wait(&json!({"code": login.code}), 20).await;
    let session = first.text_at("/result/session");
    assert!(!session.is_empty(), "{}", first.text);
    let calls = world.simulator.counts().calls;
    let fields = [
        ("code", guest.code.as_str()),
        ("session", session),
        ("phone_code", &guest.phone_code),
        ("openid", &guest.openid),
        ("encrypted_data", &guest.encrypted_data),
        ("iv", &guest.iv),
    ];
    let possible = [
        vec!["code"],
        vec!["code", "encrypted_data", "iv"],
        vec!["session", "encrypted_data", "iv"],
        vec!["phone_code"],
        vec!["phone_code", "openid"],
    ];
    let mut refused = 0;
    for chosen in 0..1_u32 << fields.len() {
        let there = fields.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
        let there: Vec<_> = there.map(|(_, field)| *field).collect();
        let names: Vec<_> = there.iter().map(|(name, _)| *name).collect();
        if possible.contains(&names) {
            continue;
        }
        let members = there.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let reply = client.submit(&Value::Object(members.collect::<Map<_, _>>())).await;
        assert_eq!(reply.status, 422, "{names:?}: {}", reply.text);
        let errors = reply.body["errors"].as_array().expect("errors");
        assert!(!errors.is_empty(), "{names:?}");
        for error in errors {
            let detail = error["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("send code alone; code with"), "{names:?}: {}", reply.text);
        }
        refused += 1;
    }
    assert_eq!(refused, 64 - possible.len());
    assert_eq!(world.simulator.counts().calls, calls);
    assert_eq!(world.simulator.redeem_counts().redeems, 0);
}

async fn app_of_a_third_party_platform_gets_no_phone_code(mode: Mode) {
    const KEY: &str = "key-of-the-agency";
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(KEY));
    let config = format!(
        "[platforms.wechat]\ncomponent_appid = 'wx00000000000000c1'\n\
         component_token_command = ['/bin/echo', 'token']\n\
         [[clients]]\nname = 'agency'\napi_key_sha256 = ['{digest}']\n\
         [[apps]]\nid = 'wx00000000000000c2'\nclient = 'agency'\ncredential = 'component'\n"
    );
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    let agency = world.client().with_key(Some(KEY));
    let reply = agency.submit(&json!({"phone_code": "c0de"})).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert_eq!(reply.text_at("/errors/0/field"), "phone_code");
    assert_eq!(reply.text_at("/errors/0/code"), "not_allowed");
    assert_eq!(world.simulator.redeem_counts().redeems, 0);
}
