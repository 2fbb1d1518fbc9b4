//! Message in, row out: a task for each delivery.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use lapin::{
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use reqwest::Client;
use serde::Deserialize;

use super::{
    decrypt::phone_in,
    insert::{Insert, ResultRow},
    process::{Job, PLATFORM_URL, QUEUE, connect, ready, variable},
};
use crate::ceiling::declare;

/// As many as quhao's worker runs at once.
const PREFETCH: u16 = 256;

struct Shared {
    platform: Client,
    url: String,
    insert: Insert,
}

#[derive(Deserialize)]
struct Session {
    session_key: String,
    openid: String,
}

pub(super) async fn run(batched: bool) -> Result<()> {
    let platform = Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let url = format!("{}/sns/jscode2session", variable(PLATFORM_URL)?);
    let shared = Arc::new(Shared { platform, url, insert: Insert::connect(batched).await? });
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    let queue = variable(QUEUE)?;
    declare(&channel, &queue).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let consuming = channel.basic_consume(
        queue.as_str().into(),
        "baseline".into(),
        options,
        FieldTable::default(),
    );
    let mut deliveries = consuming.await?;
    ready("")?;
    while let Some(delivery) = deliveries.next().await {
        tokio::spawn(handle(Arc::clone(&shared), delivery?));
    }
    anyhow::bail!("the broker ended the subscription")
}

async fn handle(shared: Arc<Shared>, delivery: Delivery) {
    let settled = match work(&shared, &delivery.data).await {
        Ok(()) => delivery.ack(BasicAckOptions { multiple: false }).await,
        Err(error) => {
            // So that whoever runs the bench sees that the figures do not count.
            log_error(&error);
            delivery.nack(BasicNackOptions { multiple: false, requeue: false }).await
        }
    };
    if let Err(error) = settled {
        log_error(&error.into());
    }
}

fn log_error(error: &anyhow::Error) {
    use std::io::{Write, stderr};
    // Standard error may be closed.
    drop(writeln!(stderr(), "baseline worker: {error:#}"));
}

async fn work(shared: &Shared, message: &[u8]) -> Result<()> {
    let job: Job = serde_json::from_slice(message)?;
    let query = [
        ("appid", job.app_id.as_str()),
        ("secret", "secret"),
        ("js_code", job.code.as_str()),
        ("grant_type", "authorization_code"),
    ];
    let answer = shared.platform.get(&shared.url).query(&query).send().await?;
    let session: Session = serde_json::from_slice(&answer.bytes().await?)?;
    let phone = phone_in(&job.encrypted_data, &job.iv, &session.session_key)
        .context("the payload cannot be decrypted")?;
    shared
        .insert
        .row(ResultRow { id: job.id, app: job.app_id, openid: session.openid, phone })
        .await
}
