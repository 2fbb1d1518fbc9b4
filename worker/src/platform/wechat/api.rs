//! WeChat's server API: its client, and the meaning of its error numbers.
//!
//! Source for the transport is what its users report: errors come with status 200, JSON
//! comes as `text/plain`, a success may have no `errcode`, and numbers may be strings. So an
//! answer counts as success when the wanted fields are there, whatever else it says. The
//! numbers are those of the pages that the modules below name, of the global table
//! (`/doc/oplatform/developers/errCode/errCode.html`), and of what its users report.

use std::time::Duration;

use quhao_common::{config, domain::failure::FailureCode, process::tls};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderValue},
    redirect, retry,
};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::payload::integer;
use crate::platform::{CallFailure, PlatformError};

mod access_token;
mod phone_info;
mod session;

#[cfg(test)]
mod tests;

/// The largest answer that is read, in bytes. WeChat's have some hundred.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The longest time that a connection is kept idle: shorter than what load balancers in front of
/// such APIs allow.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// An endpoint of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    /// Exchanges a login code for a session, with the app's own secret.
    Jscode2session,
    /// Exchanges a login code for a session, with the token of a third-party platform.
    ComponentJscode2session,
    /// Redeems a phone code for a number, with an access token.
    Getuserphonenumber,
    /// Issues an access token, with the app's own secret.
    StableToken,
}

impl Endpoint {
    /// Every endpoint, in the order of their discriminants.
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

    /// Returns whether its calls carry a token that can be fetched anew.
    fn takes_token(self) -> bool {
        matches!(self, Self::ComponentJscode2session | Self::Getuserphonenumber)
    }
}

/// A client of WeChat's server API.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// The URL of each endpoint, in the order of [`Endpoint::ALL`].
    urls: [Url; Endpoint::ALL.len()],
}

impl Api {
    /// Creates a client of the API at `settings.base_url` that keeps at most `connections` idle.
    pub(super) fn new(
        settings: &config::Wechat,
        connections: usize,
    ) -> Result<Self, reqwest::Error> {
        tls::install_crypto_provider();
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
            .retry(retry::never()) // a code works once: only the retry policy repeats a call
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

    async fn get(&self, url: Url) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
        send(self.client.get(url)).await
    }

    async fn post_json(&self, url: Url, body: &Value) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(url).header(CONTENT_TYPE, json);
        send(request.body(body.to_string())).await
    }
}

/// Sends `request` and reads the answer. The errors of the client quote the URL, which holds
/// secrets, so nothing of them is kept.
async fn send(request: RequestBuilder) -> Result<Zeroizing<Vec<u8>>, CallFailure> {
    match request.send().await {
        Ok(response) => read_body(response).await.ok_or(CallFailure::Unanswered),
        Err(error) if error.is_connect() || error.is_builder() => Err(CallFailure::NotSent),
        Err(_) => Err(CallFailure::Unanswered),
    }
}

/// Reads the whole body; returns `None` if it breaks off or is larger than any real one.
async fn read_body(mut response: Response) -> Option<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(1024));
    while let Some(chunk) = response.chunk().await.ok()? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

/// Returns the error of an answer of `endpoint` that lacks the wanted fields.
fn refusal(endpoint: Endpoint, errcode: Option<&Value>, errmsg: Option<&Value>) -> PlatformError {
    let platform_code = errcode.and_then(integer);
    let unexpected = CallFailure::Final(FailureCode::PlatformUnexpected);
    PlatformError {
        failure: platform_code.map_or(unexpected, |number| meaning(endpoint, number)),
        platform_code,
        platform_rid: errmsg.and_then(Value::as_str).and_then(rid),
    }
}

/// Returns the meaning of an `errcode` of `endpoint` for the job.
fn meaning(endpoint: Endpoint, errcode: i64) -> CallFailure {
    match (endpoint, errcode) {
        (_, -1) => CallFailure::Busy,
        // The token is no token, not the latest one, or expired.
        (endpoint, 40001 | 40014 | 42001) if endpoint.takes_token() => {
            CallFailure::CredentialRefused
        }
        // 40003: the code is not this openid's (that they are compared is documented, not
        // what is answered; 43104 is an openid of another app). 40013, in the words of this
        // page: the code is not of the app that asks.
        (Endpoint::Getuserphonenumber, 40003 | 40013 | 43104) => {
            CallFailure::Final(FailureCode::CodeInvalid)
        }
        (Endpoint::StableToken, 40002) => CallFailure::Final(FailureCode::AppMisconfigured),
        (_, 40029) => CallFailure::CodeInvalid,
        (_, 40163) => CallFailure::CodeUsed,
        (_, 40226) => CallFailure::Final(FailureCode::UserBlocked),
        (_, 45011) => CallFailure::MinuteQuota,
        (_, 45009) => CallFailure::Final(FailureCode::PlatformRateLimited),
        // appid or secret wrong, missing or frozen; where a call has no token, 4000x and
        // 42001 mean the same to whoever has to fix it; 61011: the third-party platform is
        // another
        (_, 40001 | 40013 | 40014 | 40125 | 40243 | 41002 | 41004 | 42001 | 61011) => {
            CallFailure::Final(FailureCode::AppMisconfigured)
        }
        (_, 40164 | 89501 | 89503 | 89506 | 89507) => CallFailure::Final(FailureCode::IpNotAllowed),
        (_, 48001 | 48004 | 50002 | 61003 | 61007) => CallFailure::Final(FailureCode::AppForbidden),
        // 41001, 41008, 44002, 47001, 40097: our request was malformed. Others: not
        // documented.
        _ => CallFailure::Final(FailureCode::PlatformUnexpected),
    }
}

/// Returns the request id at the end of an `errmsg`: `…, rid: 65a…-…` or `… hints: [req_id: …]`.
/// It takes only what looks like one: the rest of the text is the platform's and stays out.
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
