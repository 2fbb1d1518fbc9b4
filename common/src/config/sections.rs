//! The sections, each read into its part of the tree. Every key is read before a section
//! is put together, so that one error does not hide another.

use std::time::Duration;

use super::{
    Http, Log, LogFormat, Queue, QueueUrl, Store, StoreUrl, Wechat, Worker,
    layers::{error::Problem, reader::Section, secrets},
    urls,
};
use crate::process::telemetry;

const HOUR: u64 = 60 * 60;
const PREFIX_BYTES_MAX: usize = 32;

pub(super) fn http(mut at: Section<'_>) -> Option<Http> {
    let listen = at.address("listen");
    let metrics_listen = at.address("metrics_listen");
    let connections_max = at.integer("connections_max", 1..=1_000_000);
    let header_timeout = at.seconds("header_timeout_seconds", 0.1..=600.0);
    let body_timeout = at.seconds("body_timeout_seconds", 0.1..=60.0);
    let wait_max = at.whole("wait_max_seconds", 1, 0..=30);
    let waiters_max = at.integer("waiters_max", 0..=1_000_000);
    Some(Http {
        listen: listen?,
        metrics_listen: metrics_listen?,
        connections_max: connections_max?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        wait_max: wait_max?,
        waiters_max: waiters_max?,
    })
}

pub(super) fn queue_url(at: &mut Section<'_>) -> Option<QueueUrl> {
    let secret = secrets::read(at, "url")?;
    let url = urls::queue(&secret.text, &secret.base);
    if url.is_none() {
        let problem = Problem::Expected(urls::QUEUE_URL.to_owned());
        at.refuse(&secret.key, Some(secret.layer), problem);
    }
    url
}

/// `queue` is `None` if it was refused.
pub(super) fn store_url(at: &mut Section<'_>, queue: Option<&QueueUrl>) -> Option<StoreUrl> {
    let secret = secrets::read(at, "url")?;
    let problem = match (urls::store(&secret.text, &secret.base), queue) {
        (Err(expected), _) => Problem::Expected(expected),
        (Ok(StoreUrl::Sqlite(_)), Some(QueueUrl::Amqp(_)))
        | (Ok(StoreUrl::Postgres(_)), Some(QueueUrl::Sqlite(_))) => Problem::Conflict(
            "\"sqlite:\" and a server together: queue.url and store.url must both be servers \
             or both be SQLite files"
                .to_owned(),
        ),
        (Ok(url), _) => return Some(url),
    };
    at.refuse(&secret.key, Some(secret.layer), problem);
    None
}

pub(super) fn queue(mut at: Section<'_>, url: Option<QueueUrl>) -> Option<Queue> {
    let expected = "1 to 32 characters of a-z, 0-9, \".\", \"_\" and \"-\"";
    let prefix = at.read("prefix", expected, |found| {
        let text = found.text()?;
        let fits = (1..=PREFIX_BYTES_MAX).contains(&text.len());
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        (fits && text.bytes().all(plain)).then(|| text.to_owned())
    });
    let confirm_timeout = at.seconds("confirm_timeout_seconds", 0.1..=60.0);
    let publish_window = at.integer("publish_window", 1..=65_535);
    let heartbeat = at.whole("heartbeat_seconds", 1, 1..=300);
    let connect_timeout = at.seconds("connect_timeout_seconds", 0.1..=60.0);
    let length_max = at.integer("length_max", 1..=100_000_000);
    let delivery_limit = at.integer("delivery_limit", 1..=1000);
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

pub(super) fn store(mut at: Section<'_>, url: Option<StoreUrl>) -> Option<Store> {
    let connections_max = at.integer("connections_max", 1..=500);
    let acquire_timeout = at.seconds("acquire_timeout_seconds", 0.1..=60.0);
    let statement_timeout = at.seconds("statement_timeout_seconds", 0.1..=60.0);
    let retention = at.whole("retention_hours", HOUR, 1..=8760);
    let session_retention = at.whole("session_retention_hours", HOUR, 1..=8760);
    Some(Store {
        url: url?,
        connections_max: connections_max?,
        acquire_timeout: acquire_timeout?,
        statement_timeout: statement_timeout?,
        retention: retention?,
        session_retention: session_retention?,
    })
}

pub(super) fn worker(mut at: Section<'_>) -> Option<Worker> {
    let concurrency = at.integer("concurrency", 1..=2000);
    let metrics_listen = at.address("metrics_listen");
    let batch_max = at.integer("batch_max", 1..=2000);
    Some(Worker {
        concurrency: concurrency?,
        metrics_listen: metrics_listen?,
        batch_max: batch_max?,
    })
}

pub(super) fn wechat(mut at: Section<'_>) -> Option<Wechat> {
    let expected = "an https (or http) URL without user, password, query and fragment";
    let base_url = at.read("base_url", expected, |found| urls::platform(found.text()?));
    let watermark_max_age = at.whole("watermark_max_age_seconds", 1, 0..=86_400);
    let connect_timeout = at.seconds("connect_timeout_seconds", 0.05..=60.0);
    let timeout = at.seconds("timeout_seconds", 0.05..=60.0);
    Some(Wechat {
        base_url: base_url?,
        watermark_max_age: Some(watermark_max_age?).filter(|age| *age > Duration::ZERO),
        connect_timeout: connect_timeout?,
        timeout: timeout?,
    })
}

pub(super) fn log(mut at: Section<'_>) -> Option<Log> {
    let format = at.read("format", "\"text\" or \"json\"", |found| match found.text()? {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let expected = "a filter such as \"info\" or \"quhao_worker=debug,info\"";
    let filter = at.read("filter", expected, |found| {
        let text = found.text().filter(|text| !text.trim().is_empty())?;
        telemetry::parse(text).map(|_| text.to_owned())
    });
    Some(Log { format: format?, filter: filter? })
}
