//! Decryption: every vector that is plain Base64, by the very check that it fails, and garbage.
//! All vectors, as submitted, are in `tests/it/upstream/decrypt.rs`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use quhao_common::domain::{failure::FailureCode, job::Expect};
use serde_json::Value;
use time::OffsetDateTime;

use super::*;
use crate::platform::{
    Decrypted,
    wechat::payload::{self, Rules},
};

const VECTORS: &str = include_str!("../../../../../tests/vectors/wechat.json");

/// The reason why a vector is refused.
#[derive(Debug, PartialEq)]
enum Refused {
    Check(FailedCheck),
    Payload(FailureCode),
}

/// Returns the refusal that a vector's `expect.error` stands for; `None` if it is refused before
/// anything is decrypted.
fn refusal(error: &str) -> Option<Refused> {
    match error {
        "bad_ciphertext_length" | "bad_iv_length" | "bad_key_length_or_base64" => None,
        "bad_padding" => Some(Refused::Check(FailedCheck::Padding)),
        "bad_utf8" => Some(Refused::Check(FailedCheck::Utf8)),
        "bad_json" => Some(Refused::Check(FailedCheck::Json)),
        "watermark_appid_mismatch" | "watermark_missing" => {
            Some(Refused::Payload(FailureCode::WatermarkMismatch))
        }
        "watermark_stale" => Some(Refused::Payload(FailureCode::WatermarkStale)),
        "no_phone_in_payload" => Some(Refused::Payload(FailureCode::NoPhone)),
        other => panic!("a vector with an error that this test does not know: {other}"),
    }
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_default()
}

/// Decrypts and reads `vector`; `None` if it is refused before.
fn run(vector: &Value, now: OffsetDateTime) -> Option<Result<Decrypted, Refused>> {
    let decode = |field| STANDARD.decode(text(vector, field)).ok();
    let key = SessionKey::new(decode("session_key")?.try_into().ok()?);
    let iv = decode("iv")?.try_into().ok()?;
    let encrypted = Encrypted::new(decode("encrypted_data")?, iv).ok()?;
    // The official example is user information, which is old and has no number.
    let is_official = text(vector, "session_key").starts_with("tiihtNczf5v6AKRyjwEUhQ");
    let expect = if is_official { Expect::OpenData } else { Expect::Phone };
    let max_age = (!is_official).then_some(Duration::from_hours(24));
    let decrypted = match decrypt(&key, &encrypted) {
        Ok(decrypted) => decrypted,
        Err(check) => return Some(Err(Refused::Check(check))),
    };
    let rules = Rules { app_id: text(vector, "appid"), max_age, now };
    Some(payload::read(&decrypted, expect, &rules).map_err(Refused::Payload))
}

#[test]
fn each_vector_fails_the_check_it_should() {
    let document: Value = serde_json::from_str(VECTORS).unwrap();
    let now = document["freshness_now"].as_i64().unwrap();
    let now = OffsetDateTime::from_unix_timestamp(now).unwrap();
    let mut checked = 0;
    for vector in document["vectors"].as_array().unwrap() {
        // Signatures and hashes over other payloads are not part of this product. What has to be
        // repaired first is not part of the worker.
        if text(vector, "kind") != "decrypt" {
            continue;
        }
        let id = text(vector, "id");
        let result = run(vector, now);
        if text(&vector["expect"], "result") == "ok" {
            assert!(matches!(result, Some(Ok(_))), "{id}: {result:?}");
        } else {
            let refused = result.map(|result| result.expect_err(id));
            assert_eq!(refused, refusal(text(&vector["expect"], "error")), "{id}");
        }
        checked += 1;
    }
    assert_eq!(checked, 23, "vectors came or went");
}

proptest! {
    #[test]
    fn garbage_never_panics_and_hardly_ever_opens(
        key in any::<[u8; 16]>(), iv in any::<[u8; 16]>(),
        data in (1_usize..20).prop_flat_map(|n| prop::collection::vec(any::<u8>(), n * 16)),
    ) {
        let encrypted = Encrypted::new(data, iv).unwrap();
        prop_assert!(decrypt(&SessionKey::new(key), &encrypted).is_err());
    }
}
