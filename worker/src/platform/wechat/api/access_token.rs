//! An access token for an app's own secret.
//!
//! Source: WeChat's "getStableAccessToken" (`/doc/service/api/base/api_getstableaccesstoken`):
//! without force it gives the same token to everybody, with what remains of its life.

use std::time::Duration;

use quhao_common::domain::{app::AppId, failure::FailureCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroize;

use super::{Api, Endpoint, refusal};
use crate::platform::{
    ExchangeError, Trouble,
    wechat::{
        payload::integer,
        token::{Fetched, is_well_formed},
    },
};

/// The longest life of a token, by the documentation.
const LIFE_MAX: Duration = Duration::from_hours(2);
/// What a token is good for whose answer does not say.
const LIFE_UNKNOWN: Duration = Duration::from_mins(1);

impl Api {
    /// `POST /cgi-bin/stable_token`, never with force: that would take away the token that
    /// others use.
    pub async fn access_token(
        &self,
        app: &AppId,
        secret: &SecretString,
    ) -> Result<Fetched, ExchangeError> {
        let body = json!({
            "grant_type": "client_credential",
            "appid": app.as_str(),
            "secret": secret.expose_secret(),
            "force_refresh": false,
        });
        let answer = self.post_json(self.url(Endpoint::StableToken), &body).await?;
        read(&answer)
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<Value>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.access_token.zeroize();
    }
}

/// What an answer means. Pure.
pub fn read(answer: &[u8]) -> Result<Fetched, ExchangeError> {
    let mut answer: Answer =
        serde_json::from_slice(answer).map_err(|_| ExchangeError::from(Trouble::Unanswered))?;
    let Some(text) = answer.access_token.take().filter(|text| !text.is_empty()) else {
        let (errcode, errmsg) = (answer.errcode.as_ref(), answer.errmsg.as_ref());
        return Err(refusal(Endpoint::StableToken, errcode, errmsg));
    };
    let text = SecretString::from(text);
    if !is_well_formed(text.expose_secret()) {
        return Err(Trouble::Final(FailureCode::PlatformUnexpected).into());
    }
    let seconds = answer.expires_in.as_ref().and_then(integer);
    let life = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    Ok(Fetched { text, life: life.unwrap_or(LIFE_UNKNOWN).min(LIFE_MAX) })
}
