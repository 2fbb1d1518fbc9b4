//! Keeps one direction connected: connects, declares, publishes its state, and starts over
//! after any failure.
//!
//! lapin's own recovery stays off: it hides outages from its user, and gives up for good
//! after some. Here a connection either works as a whole or is replaced. What went wrong is
//! logged once, when it changes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Connection, Endpoint},
    direction::Direction,
    error::{LinkError, within},
    topology::Topology,
};
use quhao_common::process::{backoff::Backoff, error_chain::with_causes, metrics};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A connection that lasted at least this long resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// How often an owner task checks for changes that send no event.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The state of one direction, for its users. `T` is what they need while it is up.
pub(super) enum LinkState<T> {
    /// Being connected, for the first time or again.
    Connecting,
    /// Working.
    Up(T),
    /// Closed for good.
    Closed,
}

/// What keeps one direction connected, for the task that owns the connection.
pub(super) struct Supervisor<T> {
    pub(super) direction: Direction,
    /// Cancelled once the queue is being closed.
    pub(super) closing: CancellationToken,
    endpoint: Endpoint,
    topology: Arc<Topology>,
    state: watch::Sender<LinkState<T>>,
    up_since: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// The failure that was logged last, so that it is logged once.
    logged: Option<String>,
}

impl<T> Supervisor<T> {
    /// Creates a supervisor that has not connected yet.
    pub(super) fn new(
        direction: Direction,
        endpoint: Endpoint,
        topology: Arc<Topology>,
        closing: CancellationToken,
    ) -> Self {
        metrics::link_down(direction);
        Self {
            direction,
            closing,
            endpoint,
            topology,
            state: watch::Sender::new(LinkState::Connecting),
            up_since: None,
            failures: 0,
            logged: None,
        }
    }

    /// Returns the state and its changes.
    pub(super) fn state(&self) -> watch::Receiver<LinkState<T>> {
        self.state.subscribe()
    }

    /// Connects and declares everything, however many attempts it takes. Returns `None` once
    /// the queue is being closed.
    pub(super) async fn connect(&mut self) -> Option<Connection> {
        let closing = self.closing.clone();
        loop {
            match closing.run_until_cancelled(self.try_connect()).await? {
                Ok(connection) => return Some(connection),
                Err(cause) => self.mark_down(&cause),
            }
        }
    }

    async fn try_connect(&self) -> Result<Connection, LinkError> {
        if self.failures > 0 {
            sleep(BACKOFF.pause(self.failures, rand::random())).await;
        }
        let connection = Connection::open(&self.endpoint).await?;
        let declaring = self.topology.declare(&connection);
        within(self.endpoint.limit, "declaring queues", declaring).await?;
        Ok(connection)
    }

    /// Publishes that the direction works.
    pub(super) fn mark_up(&mut self, state: T) {
        self.up_since = Some(Instant::now());
        self.logged = None;
        self.state.send_replace(LinkState::Up(state));
        metrics::link_up(self.direction);
        tracing::info!(direction = self.direction.as_str(), "the link to the broker is up");
    }

    /// Changes the state of a direction that is up.
    pub(super) fn modify(&mut self, change: impl FnOnce(&mut T)) {
        self.state.send_modify(|state| {
            if let LinkState::Up(state) = state {
                change(state);
            }
        });
    }

    /// Publishes that the direction does not work, or still does not.
    pub(super) fn mark_down(&mut self, cause: &LinkError) {
        let was_stable = self.up_since.take().is_some_and(|since| since.elapsed() >= STABLE_AFTER);
        self.failures = if was_stable { 1 } else { self.failures.saturating_add(1) };
        self.state.send_replace(LinkState::Connecting);
        metrics::link_down(self.direction);
        let cause = with_causes(cause);
        let direction = self.direction.as_str();
        if self.logged.as_ref() == Some(&cause) {
            tracing::debug!(direction, cause, "the link to the broker is still down");
        } else {
            tracing::warn!(direction, cause, "the link to the broker is down; reconnecting");
            self.logged = Some(cause);
        }
    }

    /// Ends the supervision because the queue is being closed.
    pub(super) fn close(self) {
        tracing::info!(direction = self.direction.as_str(), "the link to the broker is closed");
    }
}

/// Whatever ended the owner task: nobody may go on waiting for it.
impl<T> Drop for Supervisor<T> {
    fn drop(&mut self) {
        self.state.send_replace(LinkState::Closed);
        metrics::link_down(self.direction);
    }
}

/// Returns the timer of an owner task's checks.
pub(super) fn check_timer() -> Interval {
    let mut timer = interval(CHECK_INTERVAL);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
