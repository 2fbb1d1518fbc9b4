//! The meaning of the platform's answers, however they are written.

use std::time::Duration;

use proptest::prelude::*;
use quhao_common::domain::failure::FailureCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Endpoint, access_token, phone_info, session};
use crate::platform::{CallFailure, wechat::payload::Rules};

const APP: &str = "wx4f4bc4dec97d474b";
const NOW: i64 = 1_800_000_000;

fn redeem(answer: &[u8], max_age: Option<Duration>) -> Result<String, CallFailure> {
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let rules = Rules { app_id: APP, max_age, now };
    let redeemed = phone_info::read(answer, &rules).map_err(|error| error.failure)?;
    assert_eq!(redeemed.watermark_at, Some(now));
    Ok(redeemed.phone.e164.clone())
}

fn phone_info() -> Value {
    json!({
        "phoneNumber": "13580006666", "purePhoneNumber": "13580006666", "countryCode": "86",
        "watermark": {"timestamp": NOW, "appid": APP},
    })
}

fn answer(info: &Value) -> Vec<u8> {
    json!({"errcode": 0, "errmsg": "ok", "phone_info": info}).to_string().into_bytes()
}

#[test]
fn a_number_counts_if_the_wanted_fields_are_there() {
    let bare = json!({"phone_info": phone_info()});
    let mut as_number = phone_info();
    as_number["countryCode"] = json!(86);
    let odd = json!({"errcode": "-1", "errmsg": "system error", "phone_info": phone_info()});
    for answer in [
        answer(&phone_info()),
        answer(&as_number),
        bare.to_string().into_bytes(),
        odd.to_string().into_bytes(),
    ] {
        assert_eq!(redeem(&answer, None), Ok("+8613580006666".to_owned()));
    }
}

#[test]
fn a_number_is_checked_like_a_ciphertext() {
    let changed = |field: &str, value: Value| {
        let mut info = phone_info();
        info[field] = value;
        info
    };
    let elsewhere = json!({"timestamp": NOW, "appid": "wx9999999999999999"});
    let stale = json!({"timestamp": NOW - 7200, "appid": APP});
    for (info, code) in [
        (changed("purePhoneNumber", Value::Null), FailureCode::NoPhone),
        (changed("purePhoneNumber", json!("13580006667")), FailureCode::NoPhone),
        (changed("countryCode", json!("+0")), FailureCode::NoPhone),
        (changed("watermark", Value::Null), FailureCode::WatermarkMismatch),
        (changed("watermark", elsewhere), FailureCode::WatermarkMismatch),
        (changed("watermark", stale), FailureCode::WatermarkStale),
        (json!("none"), FailureCode::PlatformUnexpected),
        (Value::Null, FailureCode::PlatformUnexpected),
    ] {
        let result = redeem(&answer(&info), Some(Duration::from_hours(1)));
        assert_eq!(result, Err(CallFailure::Final(code)), "{info}");
    }
}

#[test]
fn an_error_counts_where_there_is_no_number() {
    for (errcode, failure) in [
        (json!(40029), CallFailure::CodeInvalid),
        (json!("40163"), CallFailure::CodeUsed),
        (json!(-1), CallFailure::Busy),
        (json!(45011), CallFailure::MinuteQuota),
        (json!(40001), CallFailure::CredentialRefused),
        (json!(40014), CallFailure::CredentialRefused),
        (json!("42001"), CallFailure::CredentialRefused),
        (json!(40003), CallFailure::Final(FailureCode::CodeInvalid)),
        (json!(40013), CallFailure::Final(FailureCode::CodeInvalid)),
        (json!(48001), CallFailure::Final(FailureCode::AppForbidden)),
        (json!(41001), CallFailure::Final(FailureCode::PlatformUnexpected)),
    ] {
        for info in [Value::Null, json!({})] {
            let answer = json!({"errcode": errcode, "errmsg": "x", "phone_info": info});
            assert_eq!(redeem(answer.to_string().as_bytes(), None), Err(failure), "{answer}");
        }
    }
    let unexpected = CallFailure::Final(FailureCode::PlatformUnexpected);
    for answer in [json!({}), json!({"errcode": 0}), json!({"errcode": true, "errmsg": 1})] {
        assert_eq!(redeem(answer.to_string().as_bytes(), None), Err(unexpected), "{answer}");
    }
    for noise in [&b""[..], b"<html></html>", b"{\"phone_info\":", b"[]"] {
        assert_eq!(redeem(noise, None), Err(CallFailure::Unanswered));
    }
}

#[test]
fn a_token_comes_with_its_lifetime() {
    let read = |answer: Value| access_token::read(answer.to_string().as_bytes());
    for (expires_in, seconds) in [
        (json!(7200), 7200),
        (json!("345"), 345),
        (json!(0), 0),
        (json!(86_400), 7200),
        (json!(-5), 60),
        (Value::Null, 60),
    ] {
        let fetched = read(json!({"access_token": "t", "expires_in": expires_in})).unwrap();
        assert_eq!(fetched.lifetime, Duration::from_secs(seconds), "{expires_in}");
    }
    for (text, is_token) in
        [("x".repeat(4096), true), ("x".repeat(4097), false), ("a b".to_owned(), false)]
    {
        assert_eq!(read(json!({"access_token": text, "expires_in": 9})).is_ok(), is_token);
    }
    for (errcode, failure) in [
        (json!(-1), CallFailure::Busy),
        (json!(40001), CallFailure::Final(FailureCode::AppMisconfigured)),
        (json!(40002), CallFailure::Final(FailureCode::AppMisconfigured)),
        (json!(40164), CallFailure::Final(FailureCode::IpNotAllowed)),
        (json!(89501), CallFailure::Final(FailureCode::IpNotAllowed)),
        (json!(45011), CallFailure::MinuteQuota),
        (json!(99999), CallFailure::Final(FailureCode::PlatformUnexpected)),
    ] {
        let refused = read(json!({"errcode": errcode, "errmsg": "x"})).unwrap_err();
        assert_eq!(refused.failure, failure, "{errcode}");
    }
}

#[test]
fn only_a_call_with_a_token_can_have_it_refused() {
    let misconfigured = CallFailure::Final(FailureCode::AppMisconfigured);
    for (endpoint, failure) in [
        (Endpoint::Jscode2session, misconfigured),
        (Endpoint::ComponentJscode2session, CallFailure::CredentialRefused),
    ] {
        for errcode in [json!(40001), json!("40014"), json!(42001)] {
            let answer = json!({"errcode": errcode, "errmsg": "x"}).to_string();
            let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
            let refused = session::read(endpoint, answer.as_bytes(), now).unwrap_err();
            assert_eq!(refused.failure, failure, "{errcode}");
        }
    }
}

#[test]
fn a_session_needs_a_key_of_16_bytes_and_an_openid() {
    let now = OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    let read = |answer: Value| {
        let answer = answer.to_string();
        let session = session::read(Endpoint::Jscode2session, answer.as_bytes(), now);
        session.map(|session| session.key.expose().to_vec()).map_err(|error| error.failure)
    };
    let unexpected = CallFailure::Final(FailureCode::PlatformUnexpected);
    for (session_key, openid, key) in [
        ("AAAAAAAAAAAAAAAAAAAAAA==", "o", Ok(vec![0; 16])),
        ("AAAAAAAAAAAAAAAAAAAAAA", "o", Err(unexpected)),
        ("AAAAAAAAAAAAAAAAAAAA", "o", Err(unexpected)),
        ("undefined", "o", Err(unexpected)),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "", Err(unexpected)),
    ] {
        let answer = json!({"session_key": session_key, "openid": openid});
        assert_eq!(read(answer), key, "{session_key} {openid}");
    }
}

proptest! {
    #[test]
    fn any_answer_of_the_platform_is_read(answer in "\\PC{0,200}") {
        let now = OffsetDateTime::UNIX_EPOCH;
        let _ = session::read(Endpoint::Jscode2session, answer.as_bytes(), now);
    }
}
