//! Decryption: every published, derived and synthetic vector, and any garbage.

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use quhao_common::domain::{
    failure::FailureCode,
    job::Expect,
    outcome::Opened,
    phone::{Encrypted, SessionKey},
};
use quhao_producer::base64_repair as repair;
use quhao_worker::platform::{
    Decrypted,
    wechat::{
        api::{Endpoint, session},
        decrypt::{Check, decrypt},
        payload::{Rules, judge, phone_in},
    },
};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;

const VECTORS: &str = include_str!("../../vectors/wechat.json");

/// What the vectors' one-word errors are called here.
#[derive(Debug, PartialEq)]
enum Refused {
    Edge(repair::RepairError),
    SessionKey,
    Check(Check),
    Judged(FailureCode),
}

struct Vector<'a> {
    session_key: &'a str,
    iv: &'a str,
    encrypted_data: &'a str,
    app_id: &'a str,
    expect: Expect,
    max_age: Option<Duration>,
    now: OffsetDateTime,
}

/// A payload's way through quhao: edge, session key, cipher, judgement.
fn run(vector: &Vector<'_>) -> Result<(String, Decrypted), Refused> {
    let iv = repair::iv(vector.iv).map_err(Refused::Edge)?.value;
    let data = repair::ciphertext(vector.encrypted_data).map_err(Refused::Edge)?.value;
    let answer = serde_json::json!({"session_key": vector.session_key, "openid": "o"});
    let answer = answer.to_string();
    let session = session::read(Endpoint::Jscode2session, answer.as_bytes(), vector.now)
        .map_err(|_| Refused::SessionKey)?;
    let encrypted = Encrypted::new(data, iv).unwrap();
    let text = decrypt(&session.key, &encrypted).map_err(Refused::Check)?;
    let rules = Rules { app_id: vector.app_id, max_age: vector.max_age, now: vector.now };
    let decrypted = judge(&text, vector.expect, &rules).map_err(Refused::Judged)?;
    Ok((text.to_string(), decrypted))
}

/// The refusal that a vector's `expect.error` stands for.
fn refusal(error: &str) -> Vec<Refused> {
    use repair::RepairError::{Length, Missing, NotBase64};
    match error {
        "bad_ciphertext_length" => vec![Refused::Edge(Length), Refused::Edge(Missing)],
        "bad_base64_or_length" => vec![Refused::Edge(Length), Refused::Edge(NotBase64)],
        "bad_iv_length" => vec![Refused::Edge(Length)],
        "bad_key_length_or_base64" => vec![Refused::SessionKey],
        "bad_padding" => vec![Refused::Check(Check::Padding)],
        "bad_utf8" => vec![Refused::Check(Check::Utf8)],
        "bad_json" => vec![Refused::Check(Check::Json)],
        "watermark_appid_mismatch" | "watermark_missing" => {
            vec![Refused::Judged(FailureCode::WatermarkMismatch)]
        }
        "watermark_stale" => vec![Refused::Judged(FailureCode::WatermarkStale)],
        "no_phone_in_payload" => vec![Refused::Judged(FailureCode::NoPhone)],
        other => panic!("a vector with an error that this test does not know: {other}"),
    }
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_default()
}

#[test]
fn every_vector_ends_as_it_should() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let now = OffsetDateTime::from_unix_timestamp(document["freshness_now"].as_i64().unwrap());
    let now = now.unwrap();
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
        let official = text(vector, "session_key").starts_with("tiihtNczf5v6AKRyjwEUhQ");
        let result = run(&Vector {
            session_key: &session_key,
            iv: text(vector, "iv"),
            encrypted_data: text(vector, "encrypted_data"),
            app_id: text(vector, "appid"),
            expect: if official { Expect::OpenData } else { Expect::Phone },
            max_age: (!official).then_some(Duration::from_hours(24)),
            now,
        });
        if text(&vector["expect"], "result") == "ok" {
            let (plain, _) = result.unwrap_or_else(|refused| panic!("{id}: {refused:?}"));
            if let Some(wanted) = vector["expect"]["plaintext"].as_str() {
                assert_eq!(plain, wanted, "{id}");
            } else {
                assert!(plain.contains("\"nickName\":\"Band\""), "{id}");
            }
        } else {
            let refused = result.expect_err(id);
            let wanted = refusal(text(&vector["expect"], "error"));
            assert!(wanted.contains(&refused), "{id}: {refused:?}, not {wanted:?}");
        }
        checked += 1;
    }
    assert_eq!(checked, 30, "vectors came or went");
}

#[test]
fn the_number_is_put_together_from_its_parts() {
    let judged = |country: &str, pure: &str, number: &str| {
        let text = format!(
            r#"{{"phoneNumber":"{number}","purePhoneNumber":"{pure}","countryCode":{country},
                "watermark":{{"appid":"wx1","timestamp":1}}}}"#
        );
        let rules = Rules { app_id: "wx1", max_age: None, now: OffsetDateTime::UNIX_EPOCH };
        let judged = judge(&text, Expect::Phone, &rules).map(|decrypted| match decrypted.opened {
            Opened::Phone(phone) => phone.e164.clone(),
            _ => unreachable!(),
        });
        // Asked for or not, it is the same number.
        let Ok(Opened::OpenData(object)) =
            judge(&text, Expect::OpenData, &rules).map(|decrypted| decrypted.opened)
        else {
            unreachable!()
        };
        let found = phone_in(&object).map(|phone| phone.e164.clone());
        assert_eq!(found, judged.clone().ok());
        judged
    };
    let good = [
        ("\"86\"", "13580006666", "13580006666", "+8613580006666"),
        ("86", "13580006666", "13580006666", "+8613580006666"),
        ("\"1\"", "2025550143", "+12025550143", "+12025550143"),
        ("\"1\"", "2025550143", "12025550143", "+12025550143"),
        ("\"852\"", "51234567", "852-51234567", "+85251234567"),
        ("\"852\"", "51234567", "0085251234567", "+85251234567"),
    ];
    for (country, pure, number, e164) in good {
        assert_eq!(judged(country, pure, number).as_deref(), Ok(e164));
    }
    let bad = [
        ("\"86\"", "13580006666", "13580006667"),
        ("\"86\"", "", ""),
        ("\"86\"", "1358000666x", "1358000666x"),
        ("\"\"", "13580006666", "13580006666"),
        ("\"0\"", "13580006666", "13580006666"),
        ("\"8600\"", "13580006666", "13580006666"),
        ("null", "13580006666", "13580006666"),
        ("-86", "13580006666", "13580006666"),
        ("\"86\"", "1234567890123456", "1234567890123456"),
    ];
    for (country, pure, number) in bad {
        assert_eq!(judged(country, pure, number), Err(FailureCode::NoPhone), "{country} {pure}");
    }
}

proptest! {
    #[test]
    fn a_payload_of_the_simulators_cipher_opens(
        key in any::<[u8; 16]>(), name in "\\PC{0,60}", at in 0_i64..4_000_000_000,
    ) {
        let plain = serde_json::json!({
            "nickName": name, "watermark": {"appid": "wx1", "timestamp": at},
        }).to_string();
        let key_text = STANDARD.encode(key);
        let made = quhao_simulator::encrypt(
            &key_text, plain.as_bytes(), &quhao_simulator::Padding::Pkcs7,
        ).unwrap();
        let (text, decrypted) = run(&Vector {
            session_key: &key_text, iv: &made.iv, encrypted_data: &made.encrypted_data,
            app_id: "wx1", expect: Expect::OpenData, max_age: None, now: OffsetDateTime::UNIX_EPOCH,
        }).unwrap();
        prop_assert_eq!(text, plain);
        prop_assert_eq!(decrypted.watermark_at.unwrap().unix_timestamp(), at);
    }

    #[test]
    fn garbage_never_panics_and_hardly_ever_opens(
        key in any::<[u8; 16]>(), iv in any::<[u8; 16]>(),
        data in (1_usize..20).prop_flat_map(|n| prop::collection::vec(any::<u8>(), n * 16)),
    ) {
        let encrypted = Encrypted::new(data, iv).unwrap();
        prop_assert!(decrypt(&SessionKey::new(key), &encrypted).is_err());
    }

    #[test]
    fn any_answer_of_the_platform_is_read(answer in "\\PC{0,200}") {
        let now = OffsetDateTime::UNIX_EPOCH;
        let _ = session::read(Endpoint::Jscode2session, answer.as_bytes(), now);
    }
}
