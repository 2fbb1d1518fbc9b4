//! Publishing, the callers' side: a place in the window, a request to the task that owns the
//! channel, and a wait with a time limit.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use self::{
    owner::{Owner, OwnerConfig},
    request::{Confirm, PublishRequest},
    state::PublisherState,
};
use super::{
    error::LinkError,
    mean_jobs::MeanJobs,
    supervisor::{LinkState, Supervisor},
    topology::Topology,
};
use crate::queue::{error::PublishError, message::Message, status::LinkStatus};
use quhao_common::{config, process::metrics};

mod request;
mod state;
mod owner;
mod pending;
mod in_flight;

/// What publishes messages.
pub(super) struct Publisher {
    state: watch::Receiver<LinkState<PublisherState>>,
    /// A permit for each message that may be published but not confirmed.
    window: Arc<Semaphore>,
    confirm_timeout: Duration,
}

impl Publisher {
    /// Starts the owner task.
    pub(super) fn start(
        settings: &config::Queue,
        topology: &Topology,
        mean_jobs: &Arc<MeanJobs>,
        supervisor: Supervisor<PublisherState>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        // The semaphore's own limit is far above any window that fits into memory.
        let window = settings.publish_window.clamp(1, Semaphore::MAX_PERMITS);
        let state = supervisor.state();
        let config = OwnerConfig {
            exchange: topology.exchange.clone(),
            confirm_timeout: settings.confirm_timeout,
            window,
        };
        tasks.spawn(Owner::new(config, supervisor, Arc::clone(mean_jobs)).run());
        let confirm_timeout = settings.confirm_timeout;
        Self { state, window: Arc::new(Semaphore::new(window)), confirm_timeout }
    }

    /// Publishes a message and waits for the broker's confirm.
    pub(super) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let published = match self.send(message) {
            Ok(confirm) => confirm.wait(self.confirm_timeout).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = published {
            metrics::publish_refused(refusal);
        }
        published
    }

    /// Hands a message to the owner task, if it would be published now. Returns what to wait
    /// for.
    fn send(&self, message: Message) -> Result<Confirm, PublishError> {
        let requests = match &*self.state.borrow() {
            LinkState::Up(state) if state.is_connected() && !state.is_blocked() => {
                state.requests.clone()
            }
            _ => return Err(PublishError::Unavailable),
        };
        let permit = self.window.clone().try_acquire_owned().map_err(|_| PublishError::Full)?;
        let (request, confirm) = PublishRequest::new(message, permit);
        requests.try_send(request).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => PublishError::Full,
            mpsc::error::TrySendError::Closed(_) => PublishError::Unavailable,
        })?;
        Ok(confirm)
    }

    /// Returns whether a message would be published now.
    pub(super) fn status(&self) -> LinkStatus {
        match &*self.state.borrow() {
            LinkState::Up(state) if state.is_blocked() => {
                LinkStatus::Blocked("the broker has blocked publishers (memory or disk alarm)")
            }
            LinkState::Up(state) if state.is_connected() => LinkStatus::Up,
            LinkState::Up(_) | LinkState::Connecting => {
                LinkStatus::Down("connecting to the broker")
            }
            LinkState::Closed => LinkStatus::Down("closed"),
        }
    }

    /// Returns the connection, for a question to the broker. A blocked one would not answer.
    pub(super) fn connection(&self) -> Result<Arc<lapin::Connection>, LinkError> {
        match &*self.state.borrow() {
            LinkState::Up(state) if state.is_blocked() => Err(LinkError::Blocked),
            LinkState::Up(state) => Ok(Arc::clone(&state.connection)),
            LinkState::Connecting | LinkState::Closed => Err(LinkError::NotConnected),
        }
    }
}
