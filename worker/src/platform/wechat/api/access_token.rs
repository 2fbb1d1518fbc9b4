//! Access tokens, issued for an app's own secret.
//!
//! Source: WeChat's "getStableAccessToken" (`/doc/service/api/base/api_getstableaccesstoken`):
//! without force it returns the same token to everybody, with what remains of its lifetime.

use std::time::Duration;

use quhao_common::domain::{app::AppId, failure::FailureCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroize;

use super::{Api, Endpoint, refusal};
use crate::platform::{
    CallFailure, PlatformError,
    wechat::{
        payload::integer,
        token::value::{FetchedToken, is_well_formed},
    },
};

/// The longest lifetime of a token, by the documentation.
const LIFETIME_MAX: Duration = Duration::from_hours(2);
/// The lifetime of a token whose answer does not say it.
const LIFETIME_UNKNOWN: Duration = Duration::from_mins(1);

impl Api {
    /// Calls `POST /cgi-bin/stable_token`, never with force: that would invalidate the token
    /// that others use.
    pub(in crate::platform::wechat) async fn access_token(
        &self,
        app: &AppId,
        secret: &SecretString,
    ) -> Result<FetchedToken, PlatformError> {
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
struct Response {
    access_token: Option<String>,
    expires_in: Option<Value>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.access_token.zeroize();
    }
}

/// Reads the answer. Pure.
pub(super) fn read(answer: &[u8]) -> Result<FetchedToken, PlatformError> {
    let mut response: Response =
        serde_json::from_slice(answer).map_err(|_| PlatformError::from(CallFailure::Unanswered))?;
    let Some(text) = response.access_token.take().filter(|text| !text.is_empty()) else {
        let errcode = response.errcode.as_ref();
        let errmsg = response.errmsg.as_ref();
        return Err(refusal(Endpoint::StableToken, errcode, errmsg));
    };
    let text = SecretString::from(text);
    if !is_well_formed(text.expose_secret()) {
        return Err(CallFailure::Final(FailureCode::PlatformUnexpected).into());
    }
    let seconds = response.expires_in.as_ref().and_then(integer);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let lifetime = seconds.map_or(LIFETIME_UNKNOWN, Duration::from_secs).min(LIFETIME_MAX);
    Ok(FetchedToken { text, lifetime })
}
