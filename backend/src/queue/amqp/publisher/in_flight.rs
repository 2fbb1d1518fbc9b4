//! One message in flight: from its publish to its confirm.

use std::time::Instant;

use futures_util::future::BoxFuture;
use lapin::{Channel, Confirmation, options::BasicPublishOptions, types::ShortString};
use time::OffsetDateTime;

use super::request::{Caller, PublishRequest};
use crate::queue::{
    amqp::{error::LinkError, frame::Frame},
    error::PublishError,
    message::Message,
};
use quhao_common::process::metrics;

/// A message from its publish to its confirm. An error is the channel's, and ends the use of
/// the connection.
pub(super) type InFlight = BoxFuture<'static, Result<(), LinkError>>;

/// Publishes one message with all of `requests`, waits for its confirm and answers the
/// callers.
pub(super) async fn publish(
    channel: Channel,
    exchange: ShortString,
    requests: Vec<PublishRequest>,
) -> Result<(), LinkError> {
    let started = Instant::now();
    let parts = requests.into_iter().map(|request| (request.message, request.caller));
    let (messages, callers): (Vec<Message>, Vec<Caller>) = parts.unzip();
    let Some(frame) = Frame::pack(messages, OffsetDateTime::now_utc()) else { return Ok(()) };
    let published = publish_frame(&channel, exchange, frame).await;
    if published.is_ok() {
        metrics::confirmed(started.elapsed());
    }
    let (answer, ended) = match published {
        Ok(Confirmation::Ack(_)) => (Ok(()), Ok(())),
        Ok(Confirmation::Nack(_)) => (Err(PublishError::Full), Ok(())),
        Ok(Confirmation::NotRequested) => {
            tracing::error!("a publish was answered on a channel without confirms; reconnecting");
            (Err(PublishError::Unconfirmed), Err(LinkError::NotConfirming))
        }
        Err(PublishFailure { refusal, cause }) => (Err(refusal), Err(cause.into())),
    };
    for caller in callers {
        caller.answer(answer);
    }
    ended
}

/// A publish that failed: what that means for the message, and why.
struct PublishFailure {
    refusal: PublishError,
    cause: lapin::Error,
}

/// Publishes and waits for the broker's answer. lapin fails the first step only if the last
/// byte was not written, in which case the broker cannot have stored the message.
async fn publish_frame(
    channel: &Channel,
    exchange: ShortString,
    frame: Frame,
) -> Result<Confirmation, PublishFailure> {
    let Frame { routing_key, body, properties } = frame;
    let options = BasicPublishOptions { mandatory: false, immediate: false };
    let confirm = channel
        .basic_publish(exchange, routing_key.into(), options, &body, properties)
        .await
        .map_err(|cause| PublishFailure { refusal: PublishError::Unavailable, cause })?;
    confirm.await.map_err(|cause| PublishFailure { refusal: PublishError::Unconfirmed, cause })
}
