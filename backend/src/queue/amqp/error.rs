//! Why a connection to the broker ended, or was not established.

use std::{future::Future, time::Duration};

/// What ends the use of a connection. A new connection always cures it.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The broker, or the network on the way to it.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// One step took too long.
    #[error("no answer in time while {0}")]
    Timeout(&'static str),
    /// The broker ended a subscription: the queue was deleted or lost its leader.
    #[error("the broker ended the subscription")]
    Unsubscribed,
    /// The connection or channel is closed although nobody here closed it.
    #[error("the connection is closed")]
    Closed,
    /// There is no connection at present.
    #[error("there is no connection")]
    NotConnected,
    /// The broker has blocked publishers.
    #[error("the broker has blocked publishers")]
    Blocked,
    /// A publish was answered although the channel is not in confirm mode.
    #[error("the channel does not confirm publishes")]
    NotConfirming,
}

/// Waits for the broker's answer, at most `limit`. `step` says in the error what was waited
/// for.
pub(super) async fn within<T, E: Into<LinkError>>(
    limit: Duration,
    step: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, LinkError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(LinkError::Timeout(step)),
    }
}
