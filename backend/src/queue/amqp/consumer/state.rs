//! What consuming takes while the link is up.

use std::sync::Arc;

/// The connection, and whether it has subscriptions.
pub(in crate::queue::amqp) struct ConsumerState {
    pub(super) connection: Arc<lapin::Connection>,
    pub(super) is_subscribed: bool,
}

impl ConsumerState {
    /// Returns whether deliveries would arrive now.
    pub(super) fn is_consuming(&self) -> bool {
        self.is_subscribed && self.connection.status().connected()
    }
}
