//! Login codes, exchanged for a session.
//!
//! Source: WeChat's "code2Session" (`/miniprogram/dev/server/API/user-login/api_code2session`)
//! and, for third-party platforms, "thirdpartyCode2Session"
//! (`/doc/oplatform/openApi/miniprogram-management/login/api_thirdpartycode2session.html`),
//! whose example shows `errcode` as a string.

use base64::{Engine, engine::general_purpose::STANDARD};
use quhao_common::domain::{
    app::AppId,
    failure::FailureCode,
    phone::{LoginCode, SessionKey},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use super::{Api, Endpoint, refusal};
use crate::platform::{CallFailure, PlatformError, Session, wechat::token::value::Token};

impl Api {
    /// Calls `GET /sns/jscode2session`.
    pub(in crate::platform::wechat) async fn code_to_session(
        &self,
        app: &AppId,
        secret: &SecretString,
        code: &LoginCode,
    ) -> Result<Session, PlatformError> {
        let mut url = self.url(Endpoint::Jscode2session);
        url.query_pairs_mut()
            .append_pair("appid", app.as_str())
            .append_pair("secret", secret.expose_secret())
            .append_pair("js_code", code.expose())
            .append_pair("grant_type", "authorization_code");
        let answer = self.get(url).await?;
        read(Endpoint::Jscode2session, &answer, OffsetDateTime::now_utc())
    }

    /// Calls `GET /sns/component/jscode2session` in the name of the third-party
    /// platform `component`.
    pub(in crate::platform::wechat) async fn component_code_to_session(
        &self,
        app: &AppId,
        component: &AppId,
        token: &Token,
        code: &LoginCode,
    ) -> Result<Session, PlatformError> {
        let mut url = self.url(Endpoint::ComponentJscode2session);
        url.query_pairs_mut()
            .append_pair("appid", app.as_str())
            .append_pair("js_code", code.expose())
            .append_pair("grant_type", "authorization_code")
            .append_pair("component_appid", component.as_str())
            .append_pair("component_access_token", token.expose());
        let answer = self.get(url).await?;
        read(Endpoint::ComponentJscode2session, &answer, OffsetDateTime::now_utc())
    }
}

#[derive(Deserialize)]
struct Response {
    session_key: Option<String>,
    openid: Option<String>,
    unionid: Option<String>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

impl Drop for Response {
    fn drop(&mut self) {
        self.session_key.zeroize();
    }
}

/// Reads the answer of `endpoint`. Pure.
pub(super) fn read(
    endpoint: Endpoint,
    answer: &[u8],
    now: OffsetDateTime,
) -> Result<Session, PlatformError> {
    // Not JSON: a proxy's page or half an answer. Whether WeChat saw the code is unknown.
    let response: Response =
        serde_json::from_slice(answer).map_err(|_| PlatformError::from(CallFailure::Unanswered))?;
    if let (Some(key), Some(openid)) = (&response.session_key, &response.openid)
        && !openid.is_empty()
    {
        // The key never travelled through a client, so it is not repaired: 16 bytes or nothing.
        let key = STANDARD
            .decode(key)
            .ok()
            .and_then(|bytes| <[u8; 16]>::try_from(Zeroizing::new(bytes).as_slice()).ok())
            .ok_or(CallFailure::Final(FailureCode::PlatformUnexpected))?;
        return Ok(Session {
            openid: openid.clone(),
            unionid: response.unionid.clone().filter(|unionid| !unionid.is_empty()),
            key: SessionKey::new(key),
            exchanged_at: now,
        });
    }
    Err(refusal(endpoint, response.errcode.as_ref(), response.errmsg.as_ref()))
}
