//! Phone codes, redeemed for a number.
//!
//! Source: WeChat's "getPhoneNumber"
//! (`/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber`).

use quhao_common::domain::{failure::FailureCode, job::Expect, outcome::Opened, phone::PhoneCode};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Api, Endpoint, refusal};
use crate::platform::{
    CallFailure, Decrypted, PlatformError, Redeemed,
    wechat::{
        payload::{self, Rules, integer},
        token::value::Token,
    },
};

impl Api {
    /// Calls `POST /wxa/business/getuserphonenumber` and checks the answer by `rules`.
    pub(in crate::platform::wechat) async fn phone_number(
        &self,
        token: &Token,
        code: &PhoneCode,
        openid: Option<&str>,
        rules: &Rules<'_>,
    ) -> Result<Redeemed, PlatformError> {
        let mut url = self.url(Endpoint::Getuserphonenumber);
        url.query_pairs_mut().append_pair("access_token", token.expose());
        let mut body = json!({"code": code.expose()});
        if let Some(openid) = openid {
            body["openid"] = json!(openid);
        }
        let answer = self.post_json(url, &body).await?;
        read(&answer, rules)
    }
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    phone_info: Option<&'a RawValue>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

/// Reads the answer. Pure. `phone_info` is the same object as in the ciphertext of the older
/// way, and is checked by the same rules.
pub(super) fn read(answer: &[u8], rules: &Rules<'_>) -> Result<Redeemed, PlatformError> {
    // Not JSON: a proxy's page or half an answer. Whether WeChat saw the code is unknown.
    let response: Response<'_> =
        serde_json::from_slice(answer).map_err(|_| PlatformError::from(CallFailure::Unanswered))?;
    let error = response.errcode.as_ref().and_then(integer).filter(|number| *number != 0);
    let payload = response.phone_info.map(|info| payload::read(info.get(), Expect::Phone, rules));
    let code = match payload {
        Some(Ok(Decrypted { opened: Opened::Phone(phone), watermark_at })) => {
            return Ok(Redeemed { phone, watermark_at });
        }
        Some(Err(code)) if error.is_none() && code != FailureCode::DecryptFailed => code,
        // `phone_info` is no object or not there, or an error number says why it has no number.
        _ => {
            let errcode = response.errcode.as_ref();
            let errmsg = response.errmsg.as_ref();
            return Err(refusal(Endpoint::Getuserphonenumber, errcode, errmsg));
        }
    };
    Err(CallFailure::Final(code).into())
}
