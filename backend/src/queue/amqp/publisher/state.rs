//! What publishing takes while the link is up.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::request::PublishRequest;

/// The channel's owner and the connection, while they work.
pub(in crate::queue::amqp) struct PublisherState {
    /// The way to the owner task.
    pub(super) requests: mpsc::Sender<PublishRequest>,
    pub(super) connection: Arc<lapin::Connection>,
}

impl PublisherState {
    /// Returns whether the connection still works: it can end before its owner has noticed.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Returns whether the broker has blocked publishers.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }
}
