//! Consuming: what workers get their deliveries from.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet};

use self::{buffer::Buffer, owner::Owner, prefetch::Prefetch, state::ConsumerState};
use super::{
    mean_jobs::MeanJobs,
    supervisor::{LinkState, Supervisor},
    topology::Topology,
};
use crate::queue::{delivery::Delivery, status::LinkStatus};

pub(super) mod receipt;
mod ack_ranges;
mod lane;
mod prefetch;
mod buffer;
mod subscriptions;
mod channel;
mod state;
mod owner;

/// What consumes deliveries.
pub(super) struct Consumer {
    state: watch::Receiver<LinkState<ConsumerState>>,
    buffer: Arc<Buffer>,
}

impl Consumer {
    /// Starts the owner task, which holds at most `prefetch_max` jobs unsettled.
    pub(super) fn start(
        prefetch_max: u16,
        topology: Arc<Topology>,
        mean_jobs: &Arc<MeanJobs>,
        supervisor: Supervisor<ConsumerState>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let buffer = Arc::new(Buffer::new());
        let state = supervisor.state();
        let owner = Owner {
            supervisor,
            topology,
            prefetch: Prefetch::new(prefetch_max),
            mean_jobs: Arc::clone(mean_jobs),
            buffer: Arc::clone(&buffer),
        };
        tasks.spawn(owner.run());
        Self { state, buffer }
    }

    /// Returns the next deliveries, see [`crate::queue::Queue::next`].
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        self.buffer.next(max).await
    }

    /// Ends the subscriptions for now and gives back what was not handed out. Returns once that
    /// is done.
    pub(super) async fn pause(&self) {
        self.buffer.paused.send_replace(true);
        self.unsubscribed().await;
    }

    /// Subscribes again after a pause.
    pub(super) fn resume(&self) {
        self.buffer.paused.send_replace(false);
    }

    /// Ends the subscriptions for good and gives back what was not handed out. Returns once
    /// that is done.
    pub(super) async fn stop(&self) {
        self.cancel();
        self.unsubscribed().await;
    }

    /// Ends the subscriptions for good, without waiting for it.
    pub(super) fn cancel(&self) {
        self.buffer.stopped.cancel();
    }

    /// Waits until there is no subscription. A link that is down has nothing to give back.
    async fn unsubscribed(&self) {
        let mut state = self.state.clone();
        let is_unsubscribed = |state: &LinkState<ConsumerState>| {
            !matches!(state, LinkState::Up(ConsumerState { is_subscribed: true, .. }))
        };
        // An error means that the owner task has ended, and the subscriptions with it.
        let _ = state.wait_for(is_unsubscribed).await;
    }

    /// Returns whether deliveries would arrive now.
    pub(super) fn status(&self) -> LinkStatus {
        if !self.buffer.wants_deliveries() {
            return LinkStatus::Down("not subscribed");
        }
        match &*self.state.borrow() {
            LinkState::Up(state) if state.is_consuming() => LinkStatus::Up,
            LinkState::Up(_) | LinkState::Connecting => {
                LinkStatus::Down("connecting to the broker")
            }
            LinkState::Closed => LinkStatus::Down("closed"),
        }
    }

    /// Returns the connection if there is one. The broker never blocks it.
    pub(super) fn connection(&self) -> Option<Arc<lapin::Connection>> {
        match &*self.state.borrow() {
            LinkState::Up(state) => Some(Arc::clone(&state.connection)),
            LinkState::Connecting | LinkState::Closed => None,
        }
    }
}
