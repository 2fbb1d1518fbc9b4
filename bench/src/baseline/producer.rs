//! HTTP in, message out.

use anyhow::Result;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt,
};
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use serde_json::json;
use tokio::net::TcpListener;

use super::process::{Job, QUEUE, connect, ready, variable};
use crate::ceiling::declare;

#[derive(Clone)]
struct Shared {
    channel: Channel,
    queue: String,
}

pub(super) async fn run() -> Result<()> {
    let connection = connect().await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
    let queue = variable(QUEUE)?;
    declare(&channel, &queue).await?;
    let router =
        Router::new().route("/v1/jobs", post(submit)).with_state(Shared { channel, queue });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready(&listener.local_addr()?.to_string())?;
    // Without it the kernel would hold back small answers. An error shows when they are sent.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

async fn submit(State(shared): State<Shared>, Json(mut job): Json<Job>) -> Response {
    job.id = format!("{:032x}", rand::random::<u128>());
    match publish(&shared, &job).await {
        Ok(()) => {
            let body = json!({ "id": job.id, "status": "queued" });
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

/// Publishes one message and waits until the broker has it.
async fn publish(shared: &Shared, job: &Job) -> Result<()> {
    let body = serde_json::to_vec(job)?;
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_message_id(job.id.as_str().into());
    let (exchange, queue) = ("".into(), shared.queue.as_str().into());
    let sent = shared.channel.basic_publish(exchange, queue, options, &body, properties).await?;
    let confirmation = sent.await?;
    anyhow::ensure!(matches!(confirmation, Confirmation::Ack(_)), "the queue refused it");
    Ok(())
}
