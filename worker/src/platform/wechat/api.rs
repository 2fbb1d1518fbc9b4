//! WeChat's server API: how it is called, and what its error numbers mean.
//!
//! Source for the transport is what its users report: errors come with status 200, JSON
//! comes as `text/plain`, a success may have no `errcode`, and numbers may be strings. So an
//! answer counts as success when the wanted fields are there, whatever else it says. The
//! numbers are those of the pages that the modules below name, of the global table
//! (`/doc/oplatform/developers/errCode/errCode.html`), and of what its users report.

use std::time::Duration;

use quhao_common::{config, domain::failure::FailureCode};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderValue},
    redirect, retry,
};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::payload::integer;
use crate::platform::{ExchangeError, Trouble};

pub mod access_token;
pub mod phone_info;
pub mod session;

/// Largest answer that is read. WeChat's have some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Shorter than what load balancers in front of such APIs allow an idle connection.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A login code for a session, with the app's own secret.
    Jscode2session,
    /// The same with the token of a third-party platform.
    ComponentJscode2session,
    /// A phone code for a number, with an access token.
    Getuserphonenumber,
    /// An access token, with the app's own secret.
    StableToken,
}

impl Endpoint {
    /// In the order of their discriminants.
    const ALL: [Self; 4] = [
        Self::Jscode2session,
        Self::ComponentJscode2session,
        Self::Getuserphonenumber,
        Self::StableToken,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Jscode2session => "/sns/jscode2session",
            Self::ComponentJscode2session => "/sns/component/jscode2session",
            Self::Getuserphonenumber => "/wxa/business/getuserphonenumber",
            Self::StableToken => "/cgi-bin/stable_token",
        }
    }

    /// Whether its calls carry a token that can be fetched anew.
    fn takes_token(self) -> bool {
        matches!(self, Self::ComponentJscode2session | Self::Getuserphonenumber)
    }
}

/// A client of WeChat's server API.
#[derive(Debug)]
pub struct Api {
    client: Client,
    /// Of each endpoint, in the order of [`Endpoint::ALL`].
    urls: [Url; Endpoint::ALL.len()],
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
            .retry(retry::never()) // a code works once: only the disposition repeats a call
            .build()?;
        let base = settings.base_url.path().trim_end_matches('/');
        let urls = Endpoint::ALL.map(|endpoint| {
            let mut url = settings.base_url.clone();
            url.set_path(&format!("{base}{}", endpoint.path()));
            url
        });
        Ok(Self { client, urls })
    }

    fn url(&self, endpoint: Endpoint) -> Url {
        self.urls[endpoint as usize].clone()
    }

    async fn get(&self, url: Url) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        answer(self.client.get(url)).await
    }

    async fn post_json(&self, url: Url, body: &Value) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(url).header(CONTENT_TYPE, json);
        answer(request.body(body.to_string())).await
    }
}

/// The errors of the client quote the URL, which holds secrets, so nothing of them is kept.
async fn answer(request: RequestBuilder) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    match request.send().await {
        Ok(response) => body(response).await.ok_or(Trouble::Unanswered),
        Err(error) if error.is_connect() || error.is_builder() => Err(Trouble::NotSent),
        Err(_) => Err(Trouble::Unanswered),
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

/// What an answer of `endpoint` without the wanted fields means.
fn refusal(endpoint: Endpoint, errcode: Option<&Value>, errmsg: Option<&Value>) -> ExchangeError {
    let platform_code = errcode.and_then(integer);
    let unexpected = Trouble::Final(FailureCode::PlatformUnexpected);
    ExchangeError {
        trouble: platform_code.map_or(unexpected, |number| meaning(endpoint, number)),
        platform_code,
        platform_rid: errmsg.and_then(Value::as_str).and_then(rid),
    }
}

/// What an `errcode` of `endpoint` means for the job.
fn meaning(endpoint: Endpoint, errcode: i64) -> Trouble {
    match (endpoint, errcode) {
        (_, -1) => Trouble::Busy,
        // The token is none, not the latest, or past its life.
        (endpoint, 40001 | 40014 | 42001) if endpoint.takes_token() => Trouble::CredentialRefused,
        // 40003: the code is not this openid's (that they are compared is documented, not
        // what is answered; 43104 is an openid of another app). 40013, in the words of this
        // page: the code is not of the app that asks.
        (Endpoint::Getuserphonenumber, 40003 | 40013 | 43104) => {
            Trouble::Final(FailureCode::CodeInvalid)
        }
        (Endpoint::StableToken, 40002) => Trouble::Final(FailureCode::AppMisconfigured),
        (_, 40029) => Trouble::CodeInvalid,
        (_, 40163) => Trouble::CodeUsed,
        (_, 40226) => Trouble::Final(FailureCode::UserBlocked),
        (_, 45011) => Trouble::MinuteQuota,
        (_, 45009) => Trouble::Final(FailureCode::PlatformRateLimited),
        // appid or secret wrong, missing or frozen; where a call has no token, 4000x and
        // 42001 mean the same to whoever has to mend it; 61011: the third-party platform is
        // another
        (_, 40001 | 40013 | 40014 | 40125 | 40243 | 41002 | 41004 | 42001 | 61011) => {
            Trouble::Final(FailureCode::AppMisconfigured)
        }
        (_, 40164 | 89501 | 89503 | 89506 | 89507) => Trouble::Final(FailureCode::IpNotAllowed),
        (_, 48001 | 48004 | 50002 | 61003 | 61007) => Trouble::Final(FailureCode::AppForbidden),
        // 41001, 41008, 44002, 47001, 40097: our request was malformed. Others: not
        // documented.
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
