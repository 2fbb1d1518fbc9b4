//! WeChat's error numbers and their documented texts.
//!
//! Sources: code2Session (`/miniprogram/dev/OpenApiDoc/user-login/code2Session.html`), the global table
//! (`/doc/oplatform/developers/errCode/errCode.html`), both on `developers.weixin.qq.com`; 40163, 41004,
//! 41008 and 40125 as seen in answers.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const SYSTEM_ERROR: i64 = -1;
pub(crate) const INVALID_GRANT_TYPE: i64 = 40002;
pub(crate) const INVALID_APPID: i64 = 40013;
pub(crate) const INVALID_CODE: i64 = 40029;
pub(crate) const INVALID_APPSECRET: i64 = 40125;
pub(crate) const CODE_BEEN_USED: i64 = 40163;
pub(crate) const APPID_MISSING: i64 = 41002;
pub(crate) const APPSECRET_MISSING: i64 = 41004;
pub(crate) const MISSING_CODE: i64 = 41008;
pub(crate) const REQUIRE_GET: i64 = 43001;

/// The documented text of an error number, without the request id.
pub(crate) fn errmsg(errcode: i64) -> &'static str {
    match errcode {
        SYSTEM_ERROR => "system error",
        0 => "ok",
        40001 => "invalid credential, access_token is invalid or not latest",
        INVALID_GRANT_TYPE => "invalid grant_type",
        40003 => "invalid openid",
        INVALID_APPID => "invalid appid",
        40014 => "invalid access_token",
        INVALID_CODE => "invalid code",
        40097 => "invalid args",
        INVALID_APPSECRET => "invalid appsecret",
        CODE_BEEN_USED => "code been used",
        40164 => "invalid ip, not in whitelist",
        40226 => "code blocked",
        40243 => "appsecret is frozen",
        41001 => "access_token missing",
        APPID_MISSING => "appid missing",
        APPSECRET_MISSING => "appsecret missing",
        MISSING_CODE => "missing code",
        42001 => "access_token expired",
        REQUIRE_GET => "require GET method",
        43002 => "require POST method",
        44002 => "empty post data",
        45009 => "reach max api daily quota limit",
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        47001 => "data format error",
        48001 => "api unauthorized",
        48004 => "api forbidden for irregularities, view detail on mp.weixin.qq.com",
        50001 => "user unauthorized",
        50002 => "user limited",
        61003 => "component is not authorized by this account",
        61007 => "api is unauthorized to component",
        _ => "unknown error",
    }
}

/// The body of an error answer: `{"errcode":40029,"errmsg":"invalid code, rid: 6129ee10-272863a4-64d75414"}`.
///
/// The request id is three groups of eight hex digits, of which the first is the time in Unix seconds.
pub(crate) fn body(errcode: i64) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let random: u64 = rand::random();
    format!(
        r#"{{"errcode":{errcode},"errmsg":"{}, rid: {:08x}-{:08x}-{:08x}"}}"#,
        errmsg(errcode),
        seconds & 0xffff_ffff,
        random >> 32,
        random & 0xffff_ffff,
    )
}
