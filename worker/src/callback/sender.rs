//! Sends one request, to a checked address and nowhere else.

use std::{
    error::Error,
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use quhao_common::{config, domain::callback_target::CallbackUrl};
use reqwest::{Client, Response, header::RETRY_AFTER, redirect, retry};
use tokio::time::timeout;

use super::{
    guard::Guard,
    next_attempt::{Ended, retry_after},
    reason::Reason,
    request::Request,
    resolver::{self, Lookup, RefusedAddress, Resolver},
};

/// What is read of an answer's body, so that a usual one ends without a reset: nobody needs
/// what it says.
const BODY_BYTES_MAX: usize = 16 << 10;
/// How long it may take to come. The status counts already.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// Sends callbacks.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    guard: Guard,
    timeout: Duration,
}

impl Sender {
    /// A sender that looks names up as the system does.
    pub fn new(settings: &config::Callbacks) -> Result<Self, reqwest::Error> {
        Self::with_lookup(settings, resolver::system())
    }

    /// A sender that asks `lookup`.
    pub fn with_lookup(
        settings: &config::Callbacks,
        lookup: Lookup,
    ) -> Result<Self, reqwest::Error> {
        let guard = Guard::new(&settings.allow_networks);
        let client = Client::builder()
            .user_agent(concat!("quhao/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Resolver::new(guard.clone(), lookup)))
            // Shared out among the addresses of a name: one that is silent must not use up
            // the time of the others.
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout)
            // An open connection would go to an address that was checked some time ago.
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

    /// Posts `request` to `url`, and says how that ended. It has the configured time from
    /// the name's resolution to the end of the answer, of which a little is read: the status
    /// counts as soon as the headers are there, whatever becomes of the body.
    pub async fn send(&self, url: &CallbackUrl, request: Request) -> Ended {
        if !self.guard.admits_literal(url.url()) {
            return Ended::Not(Reason::RefusedAddress);
        }
        let Request { headers, body } = request;
        let sending = self.client.post(url.url().clone()).headers(headers).body(body).send();
        let began = Instant::now();
        match timeout(self.timeout, sending).await {
            Ok(Ok(response)) => {
                let ended = answered(&response);
                let left = self.timeout.saturating_sub(began.elapsed()).min(BODY_PATIENCE);
                // What becomes of the rest changes nothing.
                let _ = timeout(left, end(response)).await;
                ended
            }
            // The errors of the client quote the URL, so nothing of them is kept.
            Ok(Err(error)) => Ended::Not(reason(&error)),
            Err(_) => Ended::Not(Reason::TimedOut),
        }
    }
}

fn answered(response: &Response) -> Ended {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Ended::Answered {
        status: response.status().as_u16(),
        retry_after: asked.and_then(|text| retry_after(text, SystemTime::now())),
    }
}

/// Reads the body to its end, or as far as it is let.
async fn end(mut response: Response) {
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

/// Whether an `E` is among the causes of `error`.
fn has<E: Error + 'static>(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        // An I/O error leaves what it holds out of its own causes.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = held.map(|held| held as &(dyn Error + 'static)).or_else(|| error.source());
    }
    false
}
