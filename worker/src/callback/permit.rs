//! A place among the callbacks under way. Its attempt keeps it, and so does the look-up of a
//! name that outlasts the attempt: else a client whose names nobody answers for would have
//! ever more of these under way, and none would be left for others.

use std::sync::Arc;

use quhao_common::domain::app::ClientName;
use tokio::{sync::mpsc, task_local};

task_local! {
    /// That of the attempt which the task makes: between it and a look-up stands the HTTP
    /// client, which knows of no places.
    static PLACE: Arc<Place>;
}

/// A client's place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    client: ClientName,
    left: mpsc::UnboundedSender<ClientName>,
}

impl Place {
    /// One of `client`, whose name is sent to `left` at the end. No more than once, so there
    /// are never more in there than places.
    pub fn new(client: ClientName, left: mpsc::UnboundedSender<ClientName>) -> Self {
        Self { client, left }
    }

    /// Does `work` in it.
    pub async fn keep<T>(self, work: impl Future<Output = T>) -> T {
        PLACE.scope(Arc::new(self), work).await
    }

    /// The one that the caller works in, if any.
    pub fn of_caller() -> Option<Arc<Self>> {
        PLACE.try_with(Arc::clone).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody counts any more where nobody receives.
        let _ = self.left.send(self.client.clone());
    }
}
