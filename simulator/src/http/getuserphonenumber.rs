//! `POST /wxa/business/getuserphonenumber`: checks and answer.
//!
//! Source: `/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber.html`.

use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::body;
use super::in_flight::InFlightCall;
use super::response::Reply;
use crate::wechat::code::{CodeUse, TappedPhone};
use crate::wechat::endpoint::Endpoint;
use crate::wechat::errcode;
use crate::world::platform::Platform;

/// The body of a call. Parameters left out are empty.
#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    code: String,
    openid: Option<String>,
}

/// Answers one call. The code is looked up, and used, when the call arrives.
pub(crate) async fn answer(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let endpoint = Endpoint::Getuserphonenumber;
    let mut call = InFlightCall::start(platform, endpoint, Some(&platform.phone_codes));
    let token = access_token(request.uri().query().unwrap_or_default());
    let parameters = body::read_parameters::<Parameters>(request).await;
    if let Ok(parameters) = &parameters {
        call.code.clone_from(&parameters.code);
        platform.phone_codes.count_call(&call.code);
    }
    let app = platform.access_tokens.check(&token);
    match &app {
        Ok(app_id) => call.app_id = app_id.to_string(),
        Err(_) => call.frontend().call_log.count_bad_token(),
    }
    let action = call.frontend().take_action(&call.code);
    let code_use = CodeUse::from(&action);
    let phone = app.and_then(|app_id| redeem(platform, &app_id, &parameters?, code_use));
    if phone.is_ok() {
        call.code_use = code_use;
    }
    call.finish(action, phone.map(|phone| body_of(&phone)), stop).await
}

/// Uses the phone code. Fails with the error number that WeChat answers.
///
/// If the openid is not that of the user who tapped, the answer is 40003 and the code stays valid.
/// The documentation says that the two are compared, and not what is answered. 40003 ("invalid
/// openid") is the only number that names the wrong parameter; 40029 would say that a valid code is
/// invalid.
fn redeem(
    platform: &Platform,
    app_id: &str,
    parameters: &Parameters,
    code_use: CodeUse,
) -> Result<TappedPhone, i64> {
    if parameters.code.is_empty() {
        return Err(errcode::MISSING_CODE);
    }
    let check = |phone: &TappedPhone| match &parameters.openid {
        Some(openid) if !openid.is_empty() && **openid != *phone.openid => {
            Err(errcode::INVALID_OPENID)
        }
        _ => Ok(()),
    };
    platform.phone_codes.use_code(app_id, &parameters.code, code_use, check)
}

/// Returns the access token in the query, empty if there is none.
fn access_token(query: &str) -> String {
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()))
        .unwrap_or_default()
}

/// Returns the body of a successful answer.
fn body_of(phone: &TappedPhone) -> String {
    format!(r#"{{"errcode":0,"errmsg":"ok","phone_info":{}}}"#, phone.phone_info)
}
