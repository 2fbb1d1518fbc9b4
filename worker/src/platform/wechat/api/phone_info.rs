//! A phone code for a number.
//!
//! Source: WeChat's "getPhoneNumber"
//! (`/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber`).

use quhao_common::domain::{failure::FailureCode, job::Expect, outcome::Opened, phone::PhoneCode};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{Api, Endpoint, refusal};
use crate::platform::{
    Decrypted, ExchangeError, Redeemed, Trouble,
    wechat::{
        payload::{Rules, integer, judge},
        token::Token,
    },
};

impl Api {
    /// `POST /wxa/business/getuserphonenumber`. What it tells is judged by `rules`.
    pub async fn phone_number(
        &self,
        token: &Token,
        code: &PhoneCode,
        openid: Option<&str>,
        rules: &Rules<'_>,
    ) -> Result<Redeemed, ExchangeError> {
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
struct Answer<'a> {
    #[serde(borrow)]
    phone_info: Option<&'a RawValue>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

/// What an answer means. Pure. `phone_info` is the object that the ciphertext of the older
/// way holds, and is judged by the same rules.
pub fn read(answer: &[u8], rules: &Rules<'_>) -> Result<Redeemed, ExchangeError> {
    // Not JSON: a proxy's page or half an answer. Whether WeChat saw the code is unknown.
    let answer: Answer<'_> =
        serde_json::from_slice(answer).map_err(|_| ExchangeError::from(Trouble::Unanswered))?;
    let error = answer.errcode.as_ref().and_then(integer).filter(|number| *number != 0);
    let judged = answer.phone_info.map(|info| judge(info.get(), Expect::Phone, rules));
    let code = match judged {
        Some(Ok(Decrypted { opened: Opened::Phone(phone), watermark_at })) => {
            return Ok(Redeemed { phone, watermark_at });
        }
        Some(Err(code)) if error.is_none() && code != FailureCode::DecryptFailed => code,
        // It is no object or not there, or an error number says why it holds nothing.
        _ => {
            let (errcode, errmsg) = (answer.errcode.as_ref(), answer.errmsg.as_ref());
            return Err(refusal(Endpoint::Getuserphonenumber, errcode, errmsg));
        }
    };
    Err(Trouble::Final(code).into())
}
