//! `GET /sns/jscode2session` and `GET /sns/component/jscode2session`: checks and answer.

use std::borrow::Cow;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlightCall;
use super::response::Reply;
use crate::wechat::code::{CodeUse, Session};
use crate::wechat::endpoint::Endpoint;
use crate::wechat::errcode;
use crate::world::platform::Platform;

/// The parameters of a call. Those left out are empty.
#[derive(Default)]
struct Parameters<'q> {
    app_id: Cow<'q, str>,
    secret: Cow<'q, str>,
    code: Cow<'q, str>,
    grant_type: Cow<'q, str>,
    component_app_id: Cow<'q, str>,
    component_token: Cow<'q, str>,
}

impl<'q> Parameters<'q> {
    /// Reads the parameters from a query.
    fn parse(query: &'q str) -> Self {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "appid" => parameters.app_id = value,
                "secret" => parameters.secret = value,
                "js_code" => parameters.code = value,
                "grant_type" => parameters.grant_type = value,
                "component_appid" => parameters.component_app_id = value,
                "component_access_token" => parameters.component_token = value,
                _ => {}
            }
        }
        parameters
    }
}

/// Answers a call with the app's own secret.
pub(crate) async fn answer(platform: &Platform, query: &str, stop: &CancellationToken) -> Reply {
    let parameters = Parameters::parse(query);
    let checked = check(platform, &parameters);
    exchange(platform, Endpoint::Jscode2session, &parameters, checked, stop).await
}

/// Answers a call with a service provider's token.
pub(crate) async fn answer_component(
    platform: &Platform,
    query: &str,
    stop: &CancellationToken,
) -> Reply {
    let endpoint = Endpoint::ComponentJscode2session;
    let parameters = Parameters::parse(query);
    let checked = check_component(platform, &parameters);
    if let Err(errcode) = checked
        && errcode::is_bad_token(errcode)
    {
        platform.frontend(endpoint).call_log.count_bad_token();
    }
    exchange(platform, endpoint, &parameters, checked, stop).await
}

/// Answers a call that was checked up to its code. The code is looked up, and used, when the call
/// arrives.
async fn exchange(
    platform: &Platform,
    endpoint: Endpoint,
    parameters: &Parameters<'_>,
    checked: Result<(), i64>,
    stop: &CancellationToken,
) -> Reply {
    let mut call = InFlightCall::start(platform, endpoint, Some(&platform.login_codes));
    call.app_id = parameters.app_id.to_string();
    call.code = parameters.code.to_string();
    platform.login_codes.count_call(&call.code);
    let action = call.frontend().take_action(&call.code);
    let code_use = CodeUse::from(&action);
    let session = checked.and_then(|()| {
        platform.login_codes.use_code(&call.app_id, &call.code, code_use, |_| Ok(()))
    });
    if session.is_ok() {
        call.code_use = code_use;
    }
    call.finish(action, session.map(|session| body(platform, &session)), stop).await
}

/// Checks what WeChat checks before it looks at the code. Fails with the error number that WeChat
/// answers.
fn check(platform: &Platform, parameters: &Parameters<'_>) -> Result<(), i64> {
    if parameters.app_id.is_empty() {
        return Err(errcode::APPID_MISSING);
    }
    if parameters.secret.is_empty() {
        return Err(errcode::APPSECRET_MISSING);
    }
    check_grant(parameters)?;
    platform.check_app(&parameters.app_id, &parameters.secret)
}

/// Checks the same for a service provider. If the token is an app's access token instead of the
/// component's, the answer is 48001, as was observed (`binarywang/WxJava#513`).
fn check_component(platform: &Platform, parameters: &Parameters<'_>) -> Result<(), i64> {
    if parameters.app_id.is_empty() {
        return Err(errcode::APPID_MISSING);
    }
    if parameters.component_app_id.is_empty() {
        return Err(errcode::COMPONENT_APPID_MISSING);
    }
    if parameters.component_token.is_empty() {
        return Err(errcode::ACCESS_TOKEN_MISSING);
    }
    check_grant(parameters)?;
    if platform.access_tokens.check(&parameters.component_token).is_ok() {
        return Err(errcode::API_UNAUTHORIZED);
    }
    platform.component.check(&parameters.component_app_id, &parameters.component_token)?;
    if !platform.knows_app(&parameters.app_id) {
        return Err(errcode::INVALID_APPID);
    }
    platform.component.check_authorized(&parameters.app_id)
}

/// Checks the parameters that both endpoints have.
fn check_grant(parameters: &Parameters<'_>) -> Result<(), i64> {
    if parameters.code.is_empty() {
        return Err(errcode::MISSING_CODE);
    }
    if parameters.grant_type != "authorization_code" {
        return Err(errcode::INVALID_GRANT_TYPE);
    }
    Ok(())
}

/// Returns the body of a successful answer.
fn body(platform: &Platform, session: &Session) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        session_key: &'a str,
        openid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        unionid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errcode: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        errmsg: Option<&'static str>,
    }
    let explicit = platform.options.explicit_success;
    let body = Body {
        session_key: &session.key,
        openid: &session.openid,
        unionid: session.unionid.as_deref(),
        errcode: explicit.then_some(0),
        errmsg: explicit.then_some(errcode::errmsg(0)),
    };
    serde_json::to_string(&body).unwrap_or_default()
}
