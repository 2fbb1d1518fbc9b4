//! WeChat's server API: `jscode2session` and what its error numbers mean.
//!
//! Source: WeChat's "code2Session" (`/miniprogram/dev/server/API/user-login/api_code2session`)
//! and, for the transport, what its users report: errors come with status 200, JSON comes
//! as `text/plain`, a success has no `errcode`, and numbers may be strings. So an answer
//! counts as success when the wanted fields are there, whatever else it says.

use base64::{Engine, engine::general_purpose::STANDARD};
use quhao_common::{
    app::App,
    config,
    failure::FailureCode,
    phone::{LoginCode, SessionKey},
};
use reqwest::{Client, Response, redirect, retry};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use crate::platform::{ExchangeError, Session, Trouble};

/// Largest answer that is read. WeChat's have some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Shorter than what load balancers in front of such APIs allow an idle connection.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A client of WeChat's server API.
#[derive(Debug)]
pub struct Api {
    client: Client,
    code_to_session: Url,
}

impl Api {
    /// A client for the API at `settings.base_url` that keeps at most `connections` idle.
    pub fn new(settings: &config::Wechat, connections: usize) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .user_agent(concat!("quhao/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(connections)
            .pool_idle_timeout(IDLE_MAX)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15))
            .http1_only() // one slow answer must not hold up others on its connection
            .redirect(redirect::Policy::none()) // a redirect would carry the secret along
            .referer(false)
            .no_proxy()
            .retry(retry::never()) // a code works once: only the verdict repeats a call
            .build()?;
        let mut code_to_session = settings.base_url.clone();
        code_to_session.set_path(&format!(
            "{}/sns/jscode2session",
            settings.base_url.path().trim_end_matches('/')
        ));
        Ok(Self { client, code_to_session })
    }

    /// `GET /sns/jscode2session`.
    pub async fn code_to_session(
        &self,
        app: &App,
        code: &LoginCode,
    ) -> Result<Session, ExchangeError> {
        let mut url = self.code_to_session.clone();
        url.query_pairs_mut()
            .append_pair("appid", app.id.as_str())
            .append_pair("secret", app.secret.expose_secret())
            .append_pair("js_code", code.expose())
            .append_pair("grant_type", "authorization_code");
        // The errors of the client quote the URL, so nothing of them is kept.
        let answer = match self.client.get(url).send().await {
            Ok(response) => body(response).await,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(Trouble::NotSent.into());
            }
            Err(_) => None,
        };
        read(&answer.ok_or(Trouble::Unanswered)?, OffsetDateTime::now_utc())
    }
}

/// The whole body; `None` if it breaks off or is larger than any real one.
async fn body(mut response: Response) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(1024));
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

#[derive(Deserialize)]
struct Answer {
    session_key: Option<String>,
    openid: Option<String>,
    unionid: Option<String>,
    errcode: Option<Value>,
    errmsg: Option<Value>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.session_key.zeroize();
    }
}

/// What an answer means. Pure.
pub fn read(answer: &[u8], now: OffsetDateTime) -> Result<Session, ExchangeError> {
    // Not JSON: a proxy's page or half an answer. Whether WeChat saw the code is unknown.
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|_| ExchangeError::from(Trouble::Unanswered))?;
    if let (Some(key), Some(openid)) = (&answer.session_key, &answer.openid)
        && !openid.is_empty()
    {
        // It never travelled through a client, so it is not repaired: 16 bytes or nothing.
        let key = STANDARD
            .decode(key)
            .ok()
            .and_then(|bytes| <[u8; 16]>::try_from(Zeroizing::new(bytes).as_slice()).ok())
            .ok_or(Trouble::Final(FailureCode::PlatformUnexpected))?;
        return Ok(Session {
            openid: openid.clone(),
            unionid: answer.unionid.clone().filter(|unionid| !unionid.is_empty()),
            key: SessionKey::new(key),
            exchanged_at: now,
        });
    }
    let platform_code = answer.errcode.as_ref().and_then(|code| match code {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    });
    Err(ExchangeError {
        trouble: platform_code.map_or(Trouble::Final(FailureCode::PlatformUnexpected), meaning),
        platform_code,
        platform_rid: answer.errmsg.as_ref().and_then(Value::as_str).and_then(rid),
    })
}

/// What an `errcode` of `jscode2session` means for the job.
fn meaning(errcode: i64) -> Trouble {
    match errcode {
        -1 => Trouble::Busy,
        40029 => Trouble::CodeInvalid,
        40163 => Trouble::CodeUsed,
        40226 => Trouble::Final(FailureCode::UserBlocked),
        45011 => Trouble::MinuteQuota,
        45009 => Trouble::Final(FailureCode::PlatformRateLimited),
        // appid or secret wrong, missing or frozen; 4000x and 42001 speak of credentials
        // that this call does not use, and mean the same to whoever has to mend it
        40001 | 40013 | 40014 | 40125 | 40243 | 41002 | 41004 | 42001 => {
            Trouble::Final(FailureCode::AppMisconfigured)
        }
        40164 | 89503 | 89506 | 89507 => Trouble::Final(FailureCode::IpNotAllowed),
        48001 | 48004 | 50002 | 61003 | 61007 => Trouble::Final(FailureCode::AppForbidden),
        // 41008, 44002, 47001, 40097: our request was malformed. Others: not documented.
        _ => Trouble::Final(FailureCode::PlatformUnexpected),
    }
}

/// The request id at the end of an `errmsg`: `…, rid: 65a…-…` or `… hints: [req_id: …]`.
/// Only what looks like one: the rest of the text is the platform's and stays out.
fn rid(errmsg: &str) -> Option<String> {
    let tail = ["rid: ", "req_id: "]
        .iter()
        .find_map(|label| errmsg.rfind(label).map(|at| &errmsg[at + label.len()..]))?;
    let rid: String = tail
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(64)
        .collect();
    (!rid.is_empty()).then_some(rid)
}
