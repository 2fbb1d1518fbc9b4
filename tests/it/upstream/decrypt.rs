//! Decryption of what a client submits: every published, derived and synthetic vector, and
//! payloads of the simulator's cipher. Which check fails is tested in the worker.

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use quhao_common::{
    config,
    domain::{
        app::{App, AppId, Credential},
        callback_target::CallbackBody,
        client::ClientName,
        failure::FailureCode,
        job::Expect,
        outcome::Opened,
        phone::{Encrypted, SessionKey},
    },
};
use quhao_producer::base64_repair::{self, RepairError};
use quhao_worker::platform::{Decrypted, Payload, Platform, wechat::Wechat};
use serde_json::Value;
use time::OffsetDateTime;

const VECTORS: &str = include_str!("../../vectors/wechat.json");

/// The reason why a vector is refused.
#[derive(Debug, PartialEq)]
enum Refused {
    Submission(RepairError),
    SessionKey,
    Payload(FailureCode),
}

struct Vector<'a> {
    session_key: &'a str,
    iv: &'a str,
    encrypted_data: &'a str,
    app_id: &'a str,
    expect: Expect,
    wechat: &'a Wechat,
    now: OffsetDateTime,
}

fn app(id: &str) -> App {
    App {
        id: AppId::new(id).unwrap(),
        client: ClientName::new("orders").unwrap(),
        platform: "wechat".to_owned(),
        credential: Credential::Secret(String::new().into()),
        callback_allow: Vec::new(),
        callback_body: CallbackBody::Whole,
    }
}

/// WeChat that accepts payloads of any age.
static ANY_AGE: LazyLock<Wechat> = LazyLock::new(|| wechat(None));
/// WeChat that accepts payloads of the last day.
static ONE_DAY: LazyLock<Wechat> = LazyLock::new(|| wechat(Some(Duration::from_hours(24))));

fn wechat(watermark_max_age: Option<Duration>) -> Wechat {
    let settings = config::Wechat {
        base_url: "http://127.0.0.1:1".parse().unwrap(),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        watermark_max_age,
    };
    Wechat::new(&settings, 1).unwrap()
}

/// Takes a payload through the producer's repair, and through the worker's decryption.
fn run(vector: &Vector<'_>) -> Result<Decrypted, Refused> {
    let iv = base64_repair::iv(vector.iv).map_err(Refused::Submission)?.value;
    let data = base64_repair::ciphertext(vector.encrypted_data).map_err(Refused::Submission)?.value;
    let key = STANDARD.decode(vector.session_key).map_err(|_| Refused::SessionKey)?;
    let key = SessionKey::new(key.try_into().map_err(|_| Refused::SessionKey)?);
    let encrypted = Encrypted::new(data, iv).unwrap();
    let payload = Payload { encrypted: &encrypted, expect: vector.expect };
    vector.wechat.decrypt(&app(vector.app_id), &key, payload, vector.now).map_err(Refused::Payload)
}

/// Returns the refusals that a vector's `expect.error` stands for.
fn refusals(error: &str) -> Vec<Refused> {
    use RepairError::{Length, Missing, NotBase64};
    match error {
        "bad_ciphertext_length" => vec![Refused::Submission(Length), Refused::Submission(Missing)],
        "bad_base64_or_length" => vec![Refused::Submission(Length), Refused::Submission(NotBase64)],
        "bad_iv_length" => vec![Refused::Submission(Length)],
        "bad_key_length_or_base64" => vec![Refused::SessionKey],
        "bad_padding" | "bad_utf8" | "bad_json" => {
            vec![Refused::Payload(FailureCode::DecryptFailed)]
        }
        "watermark_appid_mismatch" | "watermark_missing" => {
            vec![Refused::Payload(FailureCode::WatermarkMismatch)]
        }
        "watermark_stale" => vec![Refused::Payload(FailureCode::WatermarkStale)],
        "no_phone_in_payload" => vec![Refused::Payload(FailureCode::NoPhone)],
        other => panic!("a vector with an error that this test does not know: {other}"),
    }
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_default()
}

/// Returns the JSON object that was encrypted.
fn open_data(decrypted: &Decrypted) -> &str {
    match &decrypted.opened {
        Opened::OpenData(object) => object.get(),
        opened => panic!("no object, but {opened:?}"),
    }
}

#[test]
fn each_vector_ends_as_it_should() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let now = document["freshness_now"].as_i64().unwrap();
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap();
    let mut checked = 0;
    for vector in document["vectors"].as_array().unwrap() {
        // Signatures and hashes over other payloads are not part of this product.
        if !matches!(text(vector, "kind"), "decrypt" | "normalise") {
            continue;
        }
        let id = text(vector, "id");
        // The platform gives the session key itself, padded; only this one vector lacks it.
        let session_key = match text(vector, "session_key") {
            key if key.len() == 22 => format!("{key}=="),
            key => key.to_owned(),
        };
        let is_official = session_key.starts_with("tiihtNczf5v6AKRyjwEUhQ");
        let with_expect = |expect| Vector {
            session_key: &session_key,
            iv: text(vector, "iv"),
            encrypted_data: text(vector, "encrypted_data"),
            app_id: text(vector, "appid"),
            expect,
            // The official example is old.
            wechat: if is_official { &ANY_AGE } else { &ONE_DAY },
            now,
        };
        let expect = if is_official { Expect::OpenData } else { Expect::Phone };
        let result = run(&with_expect(expect));
        if text(&vector["expect"], "result") == "ok" {
            result.unwrap_or_else(|refused| panic!("{id}: {refused:?}"));
            let decrypted = run(&with_expect(Expect::OpenData)).unwrap();
            let plain = open_data(&decrypted);
            if let Some(wanted) = vector["expect"]["plaintext"].as_str() {
                assert_eq!(plain, wanted, "{id}");
            } else {
                assert!(plain.contains("\"nickName\":\"Band\""), "{id}");
            }
        } else {
            let refused = result.expect_err(id);
            let wanted = refusals(text(&vector["expect"], "error"));
            assert!(wanted.contains(&refused), "{id}: {refused:?}, not {wanted:?}");
        }
        checked += 1;
    }
    assert_eq!(checked, 30, "vectors came or went");
}

proptest! {
    #[test]
    fn payload_of_the_simulators_cipher_opens(
        key in any::<[u8; 16]>(), name in "\\PC{0,60}", at in 0_i64..4_000_000_000,
    ) {
        let plain = serde_json::json!({
            "nickName": name, "watermark": {"appid": "wx1", "timestamp": at},
        }).to_string();
        let key = STANDARD.encode(key);
        let made = quhao_simulator::encrypt(
            &key, plain.as_bytes(), &quhao_simulator::Padding::Pkcs7,
        ).unwrap();
        let decrypted = run(&Vector {
            session_key: &key, iv: &made.iv, encrypted_data: &made.encrypted_data,
            app_id: "wx1", expect: Expect::OpenData, wechat: &ANY_AGE, now: OffsetDateTime::UNIX_EPOCH,
        }).unwrap();
        prop_assert_eq!(open_data(&decrypted), plain);
        prop_assert_eq!(decrypted.watermark_at.unwrap().unix_timestamp(), at);
    }
}
