//! Posts one request, to a checked address and nowhere else.

use std::{
    error::Error,
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use quhao_common::{config, domain::callback_target::CallbackUrl, process::tls};
use reqwest::{Client, Response, header::RETRY_AFTER, redirect, retry};
use tokio::time::timeout;

use super::{
    guard::Guard,
    next_attempt::{AttemptResult, retry_after},
    reason::Reason,
    request::Request,
    resolver::{self, Lookup, RefusedAddress, Resolver},
};

/// The part of an answer's body that is read, in bytes. Nobody needs what it says; it is read so
/// that a connection with a body of usual size ends without a reset.
const BODY_BYTES_MAX: usize = 16 << 10;
/// The longest time that reading the body may take. The status counts already.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// An HTTP client for callbacks.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    guard: Guard,
    timeout: Duration,
}

impl Sender {
    /// Creates a sender that uses the system's look-up of names.
    pub fn new(settings: &config::Callbacks) -> Result<Self, reqwest::Error> {
        Self::with_lookup(settings, resolver::system())
    }

    /// Creates a sender that uses `lookup`.
    pub fn with_lookup(
        settings: &config::Callbacks,
        lookup: Lookup,
    ) -> Result<Self, reqwest::Error> {
        let guard = Guard::new(&settings.allow_networks);
        tls::install_crypto_provider();
        let client = Client::builder()
            .user_agent(concat!("quhao/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver::new(guard.clone(), lookup)))
            // Divided among the addresses of a name: one that is silent must not use up the
            // time of the others.
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout)
            // A pooled connection would go to an address that was checked some time ago.
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .http1_only()
            .redirect(redirect::Policy::none()) // it could lead to what was not checked
            .referer(false)
            .no_proxy() // it would look the name up itself
            .retry(retry::never()) // attempts are counted
            .build()?;
        Ok(Self { client, guard, timeout: settings.timeout })
    }

    /// Posts `request` to `url` and returns the result. The configured time covers everything
    /// from the look-up of the name to the end of the answer, of which a little is read: the
    /// status counts as soon as the headers are there, whatever becomes of the body.
    pub async fn send(&self, url: &CallbackUrl, request: Request) -> AttemptResult {
        if !self.guard.admits_literal(url.url()) {
            return AttemptResult::Failed(Reason::RefusedAddress);
        }
        let Request { headers, body } = request;
        let sending = self.client.post(url.url().clone()).headers(headers).body(body).send();
        let began = Instant::now();
        match timeout(self.timeout, sending).await {
            Ok(Ok(response)) => {
                let result = result_of(&response);
                let left = self.timeout.saturating_sub(began.elapsed()).min(BODY_TIMEOUT);
                // What becomes of the body changes nothing.
                let _ = timeout(left, read_body(response)).await;
                result
            }
            // The errors of the client quote the URL, so nothing of them is kept.
            Ok(Err(error)) => AttemptResult::Failed(reason(&error)),
            Err(_) => AttemptResult::Failed(Reason::TimedOut),
        }
    }
}

fn result_of(response: &Response) -> AttemptResult {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    AttemptResult::Answered {
        status: response.status().as_u16(),
        retry_after: asked.and_then(|text| retry_after(text, SystemTime::now())),
    }
}

/// Reads the body to its end, or to [`BODY_BYTES_MAX`].
async fn read_body(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > BODY_BYTES_MAX {
            return;
        }
    }
}

fn reason(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        Reason::TimedOut
    } else if has::<RefusedAddress>(error) {
        Reason::RefusedAddress
    } else if error.is_dns() {
        Reason::Unresolved
    } else if has::<rustls::Error>(error) {
        Reason::Tls
    } else if error.is_connect() {
        Reason::Connect
    } else {
        Reason::NoAnswer
    }
}

/// Returns whether an `E` is among the sources of `error`.
fn has<E: Error + 'static>(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<E>() {
            return true;
        }
        // An I/O error leaves the error that it wraps out of its sources.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        source = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}
