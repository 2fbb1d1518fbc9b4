//! The permit of a callback under way. Its attempt holds it, and so does the look-up of a name
//! that outlasts the attempt: otherwise a client whose names nobody answers for would have ever
//! more look-ups under way, and none would be left for others.

use std::sync::Arc;

use quhao_common::domain::client::ClientName;
use tokio::{sync::mpsc, task_local};

task_local! {
    /// The permit of the attempt that the task makes. It is passed this way because the HTTP
    /// client between an attempt and a look-up knows of no permits.
    static PERMIT: Arc<CallbackPermit>;
}

/// The permission to have one callback of a client under way, until it is dropped.
#[derive(Debug)]
pub(super) struct CallbackPermit {
    client: ClientName,
    returned: mpsc::UnboundedSender<ClientName>,
}

impl CallbackPermit {
    /// Creates a permit of `client`, whose name is sent to `returned` when the permit is
    /// dropped: once, so there are never more names in that channel than permits.
    pub(super) fn new(client: ClientName, returned: mpsc::UnboundedSender<ClientName>) -> Self {
        Self { client, returned }
    }

    /// Runs `work` with this permit, which is dropped when nobody holds it any more.
    pub(super) async fn hold<T>(self, work: impl Future<Output = T>) -> T {
        PERMIT.scope(Arc::new(self), work).await
    }

    /// Returns the permit that the caller runs with, if any.
    pub(super) fn of_caller() -> Option<Arc<Self>> {
        PERMIT.try_with(Arc::clone).ok()
    }
}

impl Drop for CallbackPermit {
    fn drop(&mut self) {
        // Nobody counts any more where nobody receives.
        let _ = self.returned.send(self.client.clone());
    }
}
