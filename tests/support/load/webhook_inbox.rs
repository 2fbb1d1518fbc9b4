//! The receiver of a load's callbacks, which sometimes fails.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Instant, SystemTime},
};

use crate::{
    proxy::Proxy,
    receiver::{Behaviour, Received, Receiver},
};

/// What comes before the login code in the path of a callback URL.
const PATH: &str = "/of/";
/// One request in this many is answered with 500, and another one not at all.
const FAIL_EVERY: usize = 20;
/// Requests after which it fails no more.
const FAILING_REQUESTS: usize = 2_000;

/// A receiver, and the address by which the product reaches it.
#[derive(Debug)]
pub struct WebhookInbox {
    receiver: Receiver,
    /// The beginning of its URLs, perhaps through a proxy.
    base: String,
    /// How many callbacks have been collected.
    collected: AtomicUsize,
}

impl WebhookInbox {
    /// Opens one that is reached directly.
    pub async fn open() -> Self {
        let receiver = Receiver::start().await;
        receiver.then((0..FAILING_REQUESTS).map(|number| match number % FAIL_EVERY {
            5 => Behaviour::Status(500),
            15 => Behaviour::HangUp,
            _ => Behaviour::Status(204),
        }));
        let base = receiver.url("");
        Self { receiver, base, collected: AtomicUsize::new(0) }
    }

    /// Opens one that is reached through a proxy.
    pub async fn behind_a_proxy() -> (Self, Proxy) {
        let inbox = Self::open().await;
        let (proxy, base) = Proxy::for_url(&inbox.base, 80).await;
        let base = base.trim_end_matches('/').to_owned();
        (Self { base, ..inbox }, proxy)
    }

    /// Returns the configuration, in TOML, of a product that sends callbacks there. Its claims
    /// are short, so that those of a killed worker soon go to another.
    pub fn config() -> &'static str {
        "[callbacks]\nallow_http = true\nallow_networks = ['127.0.0.0/8']\ntimeout_seconds = 2\n"
    }

    /// Returns the configuration of the app whose callbacks go there. They contain the phone
    /// number: it must be the guest's.
    pub fn app(&self) -> String {
        format!("callback_allow = ['{}']\ncallback_body = 'whole'\n", self.base)
    }

    /// Returns the callback URL of the job with this login code.
    pub fn url_of(&self, code: &str) -> String {
        format!("{}{PATH}{code}", self.base)
    }

    /// Returns what was received since the last time: when, for which login code, and what.
    pub fn collect(&self) -> Vec<(SystemTime, String, Received)> {
        let came = self.receiver.received_after(self.collected.load(Ordering::Relaxed));
        self.collected.fetch_add(came.len(), Ordering::Relaxed);
        let (now, clock) = (Instant::now(), SystemTime::now());
        let read = came.into_iter().map(|received| {
            let at = clock.checked_sub(now.duration_since(received.at)).unwrap_or(clock);
            let path = received.line.split(' ').nth(1).and_then(|path| path.strip_prefix(PATH));
            let code = path.unwrap_or_else(|| panic!("a callback to {}", received.line));
            (at, code.to_owned(), received)
        });
        read.collect()
    }
}
