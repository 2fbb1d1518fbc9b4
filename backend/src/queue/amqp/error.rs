//! Why a link to the broker ended, or did not come about.

use std::{future::Future, time::Duration};

/// What ends a link. Always mended by a new connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The broker or the way to it.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// One step took too long.
    #[error("no answer in time while {0}")]
    Silent(&'static str),
    /// The broker ended a subscription: the queue was deleted or lost its leader.
    #[error("the broker ended the subscription")]
    Unsubscribed,
    /// The connection or channel is closed although nobody here closed it.
    #[error("the connection is closed")]
    Closed,
    /// There is no connection at the moment.
    #[error("there is no connection")]
    Absent,
    /// The broker has asked publishers to stop.
    #[error("the broker has blocked publishers")]
    Blocked,
    /// A publish was answered although the channel is not in confirm mode.
    #[error("the channel does not confirm publishes")]
    Unconfirming,
}

/// Waits for the broker's answer, at most `limit`.
pub(super) async fn within<T, E: Into<LinkError>>(
    limit: Duration,
    doing: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, LinkError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(LinkError::Silent(doing)),
    }
}
