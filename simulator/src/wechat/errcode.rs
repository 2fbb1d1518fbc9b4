//! WeChat's error numbers and their documented texts.
//!
//! Sources: code2Session (`/miniprogram/dev/OpenApiDoc/user-login/code2Session.html`), the global
//! table (`/doc/oplatform/developers/errCode/errCode.html`), both on `developers.weixin.qq.com`;
//! 40163, 41004, 41008, 40125 and 61011 as seen in answers.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const SYSTEM_ERROR: i64 = -1;
pub(crate) const INVALID_CREDENTIAL: i64 = 40001;
pub(crate) const INVALID_GRANT_TYPE: i64 = 40002;
pub(crate) const INVALID_OPENID: i64 = 40003;
pub(crate) const INVALID_APPID: i64 = 40013;
pub(crate) const INVALID_ACCESS_TOKEN: i64 = 40014;
pub(crate) const INVALID_CODE: i64 = 40029;
pub(crate) const INVALID_APPSECRET: i64 = 40125;
pub(crate) const CODE_BEEN_USED: i64 = 40163;
pub(crate) const ACCESS_TOKEN_MISSING: i64 = 41001;
pub(crate) const APPID_MISSING: i64 = 41002;
pub(crate) const APPSECRET_MISSING: i64 = 41004;
pub(crate) const MISSING_CODE: i64 = 41008;
pub(crate) const COMPONENT_APPID_MISSING: i64 = 41018;
pub(crate) const ACCESS_TOKEN_EXPIRED: i64 = 42001;
pub(crate) const REQUIRE_GET: i64 = 43001;
pub(crate) const REQUIRE_POST: i64 = 43002;
pub(crate) const EMPTY_POST_DATA: i64 = 44002;
pub(crate) const DAILY_QUOTA: i64 = 45009;
pub(crate) const DATA_FORMAT: i64 = 47001;
pub(crate) const API_UNAUTHORIZED: i64 = 48001;
pub(crate) const COMPONENT_NOT_AUTHORIZED: i64 = 61003;
pub(crate) const INVALID_COMPONENT: i64 = 61011;

/// Returns whether a call was refused for its token: missing, of the wrong kind, wrong or no
/// longer valid.
pub(crate) fn is_bad_token(errcode: i64) -> bool {
    matches!(
        errcode,
        INVALID_CREDENTIAL
            | INVALID_ACCESS_TOKEN
            | ACCESS_TOKEN_MISSING
            | ACCESS_TOKEN_EXPIRED
            | API_UNAUTHORIZED
    )
}

/// Returns the documented text of an error number, without the request id.
pub(crate) fn errmsg(errcode: i64) -> &'static str {
    match errcode {
        SYSTEM_ERROR => "system error",
        0 => "ok",
        INVALID_CREDENTIAL => "invalid credential, access_token is invalid or not latest",
        INVALID_GRANT_TYPE => "invalid grant_type",
        INVALID_OPENID => "invalid openid",
        INVALID_APPID => "invalid appid",
        INVALID_ACCESS_TOKEN => "invalid access_token",
        INVALID_CODE => "invalid code",
        40097 => "invalid args",
        INVALID_APPSECRET => "invalid appsecret",
        CODE_BEEN_USED => "code been used",
        40164 => "invalid ip, not in whitelist",
        40226 => "code blocked",
        40243 => "appsecret is frozen",
        ACCESS_TOKEN_MISSING => "access_token missing",
        APPID_MISSING => "appid missing",
        APPSECRET_MISSING => "appsecret missing",
        MISSING_CODE => "missing code",
        COMPONENT_APPID_MISSING => "missing component_appid",
        ACCESS_TOKEN_EXPIRED => "access_token expired",
        REQUIRE_GET => "require GET method",
        REQUIRE_POST => "require POST method",
        EMPTY_POST_DATA => "empty post data",
        DAILY_QUOTA => "reach max api daily quota limit",
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        DATA_FORMAT => "data format error",
        API_UNAUTHORIZED => "api unauthorized",
        48004 => "api forbidden for irregularities, view detail on mp.weixin.qq.com",
        50001 => "user unauthorized",
        50002 => "user limited",
        COMPONENT_NOT_AUTHORIZED => "component is not authorized by this account",
        61007 => "api is unauthorized to component",
        INVALID_COMPONENT => "invalid component",
        _ => "unknown error",
    }
}

/// Returns the body of an error answer:
/// `{"errcode":40029,"errmsg":"invalid code, rid: 6129ee10-272863a4-64d75414"}`.
pub(crate) fn body(errcode: i64) -> String {
    format!(r#"{{"errcode":{errcode},"errmsg":"{}"}}"#, errmsg_with_rid(errcode))
}

/// Returns the body of an error answer with the number as a string.
pub(crate) fn body_with_string_number(errcode: i64) -> String {
    format!(r#"{{"errcode":"{errcode}","errmsg":"{}"}}"#, errmsg_with_rid(errcode))
}

/// Returns the text with a request id: three groups of eight hex digits, of which the first is the
/// time in Unix seconds.
fn errmsg_with_rid(errcode: i64) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let random: u64 = rand::random();
    format!(
        "{}, rid: {:08x}-{:08x}-{:08x}",
        errmsg(errcode),
        seconds & 0xffff_ffff,
        random >> 32,
        random & 0xffff_ffff,
    )
}
