//! Where word of guests' jobs goes: a receiver that is not always in a good mood.

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
/// One request in this many is answered badly, and another one not at all.
const MOOD: usize = 20;
/// After so many requests it is in a good mood for ever.
const MOODS: usize = 2_000;

/// A receiver, and how the product gets there.
#[derive(Debug)]
pub struct WebhookInbox {
    receiver: Receiver,
    /// What leads there, perhaps through a proxy.
    base: String,
    /// How many callbacks have been collected.
    collected: AtomicUsize,
}

impl WebhookInbox {
    /// One that is reached directly.
    pub async fn open() -> Self {
        let receiver = Receiver::start().await;
        receiver.then((0..MOODS).map(|number| match number % MOOD {
            5 => Behaviour::Status(500),
            15 => Behaviour::HangUp,
            _ => Behaviour::Status(204),
        }));
        let base = receiver.url("");
        Self { receiver, base, collected: AtomicUsize::new(0) }
    }

    /// One that is reached through a proxy.
    pub async fn behind_a_proxy() -> (Self, Proxy) {
        let inbox = Self::open().await;
        let (proxy, base) = Proxy::for_url(&inbox.base, 80).await;
        let base = base.trim_end_matches('/').to_owned();
        (Self { base, ..inbox }, proxy)
    }

    /// The settings, in TOML, of a product that is to send callbacks there. Its claims are
    /// short, so that those of a worker that was killed soon come to another.
    pub fn config() -> &'static str {
        "[callbacks]\nallow_http = true\nallow_networks = ['127.0.0.0/8']\ntimeout_seconds = 2\n"
    }

    /// Those of the app whose callbacks go there. They tell the number: it must be the
    /// guest's.
    pub fn app(&self) -> String {
        format!("callback_allow = ['{}']\ncallback_body = 'whole'\n", self.base)
    }

    /// The callback URL of the job with this login code.
    pub fn url_of(&self, code: &str) -> String {
        format!("{}{PATH}{code}", self.base)
    }

    /// What has come since the last time: when, for which login code, and what.
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
