//! Listens for the commits of this process, which is the only one.

use tokio::sync::broadcast::{self, error::RecvError};

use super::SqliteStore;
use crate::store::notification::Notification;

/// The notifications of one listener.
#[derive(Debug)]
pub struct Notifications(broadcast::Receiver<Notification>);

impl Notifications {
    /// Waits for the next notification. After the store's end there is none.
    pub(crate) async fn next(&mut self) -> Notification {
        match self.0.recv().await {
            Ok(notification) => notification,
            Err(RecvError::Lagged(_)) => Notification::gap(),
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl SqliteStore {
    /// Starts listening.
    pub(crate) fn listen(&self) -> Notifications {
        Notifications(self.notifications.subscribe())
    }

    /// Notifies all listeners.
    pub(super) fn notify(&self, notification: Notification) {
        // Nobody may be listening.
        let _ = self.notifications.send(notification);
    }
}
