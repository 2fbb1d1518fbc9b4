//! `[queue]`

use std::{path::PathBuf, time::Duration};

use secrecy::ExposeSecret;

use super::{
    broker_address::BrokerAddress,
    layers::{error::Problem, reader::Section, secrets},
    sqlite_path,
};

const PREFIX_BYTES_MAX: usize = 32;
/// The forms of `queue.url`.
const URL: &str =
    "a URL \"amqp://…\" or \"amqps://…\" with a host, or \"sqlite:PATH\" with the path of a file";

/// `[queue]`: what carries jobs from producer to worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// The broker or file.
    pub url: QueueUrl,
    /// The first part of every name at the broker.
    pub prefix: String,
    /// Limit of a submit's wait for the confirm.
    pub confirm_timeout: Duration,
    /// The most publishes in flight at once; beyond, a submit is answered 503 `overloaded`.
    pub publish_window: usize,
    /// AMQP heartbeat: a dead peer is noticed after twice this.
    pub heartbeat: Duration,
    /// Limit of an attempt to connect.
    pub connect_timeout: Duration,
    /// The most jobs that the queue holds; beyond, submits are refused.
    pub length_max: u64,
    /// How often a delivery may come back before it is dead-lettered.
    pub delivery_limit: u32,
}

/// `queue.url`
#[derive(Debug, Clone, PartialEq)]
pub enum QueueUrl {
    /// `amqp://` or `amqps://`
    Amqp(BrokerAddress),
    /// `sqlite:PATH`
    Sqlite(PathBuf),
}

impl Queue {
    /// Returns these settings with the address of `other`, if both are brokers: connections
    /// take a new address over, but a process cannot change to another kind of queue.
    pub(super) fn with_address_of(&self, other: &Self) -> Self {
        let mut changed = self.clone();
        if let (QueueUrl::Amqp(_), QueueUrl::Amqp(_)) = (&self.url, &other.url) {
            changed.url = other.url.clone();
        }
        changed
    }
}

/// Reads `queue.url`.
pub(super) fn read_url(section: &mut Section<'_>) -> Option<QueueUrl> {
    let secret = secrets::read(section, "url")?;
    let text = secret.text.expose_secret();
    let url = match text.strip_prefix("sqlite:") {
        Some(path) => sqlite_path::resolve(path, &secret.base).map(QueueUrl::Sqlite),
        None => BrokerAddress::parse(text).map(QueueUrl::Amqp),
    };
    if url.is_none() {
        section.refuse(&secret.key, Some(secret.layer), Problem::Expected(URL.to_owned()));
    }
    url
}

/// Reads the section, of which `url` was read before.
pub(super) fn read(mut section: Section<'_>, url: Option<QueueUrl>) -> Option<Queue> {
    let expected = "1 to 32 characters of a-z, 0-9, \".\", \"_\" and \"-\"";
    let prefix = section.read("prefix", expected, |found| {
        found.text().filter(|text| is_prefix(text)).map(str::to_owned)
    });
    let confirm_timeout = section.seconds("confirm_timeout_seconds", 0.1..=60.0);
    let publish_window = section.integer("publish_window", 1..=65_535);
    let heartbeat = section.whole_seconds("heartbeat_seconds", 1..=300);
    let connect_timeout = section.seconds("connect_timeout_seconds", 0.1..=60.0);
    let length_max = section.integer("length_max", 1..=100_000_000);
    let delivery_limit = section.integer("delivery_limit", 1..=1000);
    Some(Queue {
        url: url?,
        prefix: prefix?,
        confirm_timeout: confirm_timeout?,
        publish_window: publish_window?,
        heartbeat: heartbeat?,
        connect_timeout: connect_timeout?,
        length_max: length_max?,
        delivery_limit: delivery_limit?,
    })
}

fn is_prefix(text: &str) -> bool {
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}
