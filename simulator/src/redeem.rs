//! `POST /wxa/business/getuserphonenumber`: checks and answer.
//!
//! Source: `/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber.html`.

use hyper::Request;
use hyper::body::Incoming;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::{
    body,
    code::{TappedPhone, Use},
    endpoint::Endpoint,
    errcode,
    pending::PendingCall,
    platform::Platform,
    response::Reply,
};

/// The body of a call; those left out are empty.
#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    code: String,
    openid: Option<String>,
}

/// Answers one call. The code is looked up, and used, when the call arrives.
pub(crate) async fn getuserphonenumber(
    platform: &Platform,
    request: Request<Incoming>,
    stop: &CancellationToken,
) -> Reply {
    let endpoint = Endpoint::Getuserphonenumber;
    let mut call = PendingCall::arrived(platform, endpoint, Some(&platform.phone_codes));
    let token = access_token(request.uri().query().unwrap_or_default());
    let parsed = parse(request).await;
    if let Ok(parameters) = &parsed {
        call.code.clone_from(&parameters.code);
        platform.phone_codes.named(&call.code);
    }
    let app = platform.tokens.check(&token).inspect_err(|_| call.desk().ledger.count_bad_token());
    if let Ok(app_id) = &app {
        call.app_id = app_id.to_string();
    }
    let action = call.desk().action(&call.code);
    let using = Use::from(&action);
    let found = app.and_then(|app_id| redeem(platform, &app_id, &parsed?, using));
    if found.is_ok() {
        call.used = using;
    }
    call.finish(action, found.map(|phone| answer(&phone)), stop).await
}

/// An openid that is not the tapper's is answered 40003, and the code stays good. The documentation says that
/// the two are checked against each other and not what is answered. 40003 ("invalid openid") is the one number
/// that names the parameter at fault; 40029 would say that a good code is bad.
fn redeem(
    platform: &Platform,
    app_id: &str,
    parameters: &Parameters,
    using: Use,
) -> Result<TappedPhone, i64> {
    if parameters.code.is_empty() {
        return Err(errcode::MISSING_CODE);
    }
    platform.phone_codes.take(app_id, &parameters.code, using, |phone| match &parameters.openid {
        Some(openid) if !openid.is_empty() && **openid != *phone.openid => {
            Err(errcode::INVALID_OPENID)
        }
        _ => Ok(()),
    })
}

fn access_token(query: &str) -> String {
    url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()))
        .unwrap_or_default()
}

async fn parse(request: Request<Incoming>) -> Result<Parameters, i64> {
    let bytes = body::read(request).await.map_err(|_| errcode::DATA_FORMAT)?;
    if bytes.is_empty() {
        return Err(errcode::EMPTY_POST_DATA);
    }
    serde_json::from_slice(&bytes).map_err(|_| errcode::DATA_FORMAT)
}

fn answer(phone: &TappedPhone) -> String {
    format!(r#"{{"errcode":0,"errmsg":"ok","phone_info":{}}}"#, phone.phone_info)
}
