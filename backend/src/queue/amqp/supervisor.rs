//! Keeps one direction connected: connects, declares, says how it stands, and starts
//! over after any trouble.
//!
//! lapin's own recovery stays off: it hides outages from its user, and gives up for good
//! after some. Here a link is either whole or gone; what went wrong is logged once, at
//! the change.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Endpoint, Wire},
    error::{LinkError, within},
    topology::Topology,
};
use quhao_common::process::{backoff::Backoff, error_chain::with_causes, metrics};

const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A link that held at least this long starts over with the first pause.
const STEADY: Duration = Duration::from_secs(5);

/// What a connection is for. Publishing and taking have one each: the broker blocks
/// connections that publish when it runs short, and acks must get through then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Publish,
    Consume,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

/// How a link stands, for whoever wants to use it.
pub(super) enum Standing<T> {
    /// On its way, for the first time or again.
    Connecting,
    /// Working, with the means to use it.
    Up(T),
    /// Ended, for good.
    Closed,
}

/// One direction's connection as its owner task sees it.
pub(super) struct Link<T> {
    pub(super) direction: Direction,
    pub(super) closing: CancellationToken,
    endpoint: Endpoint,
    topology: Arc<Topology>,
    standing: watch::Sender<Standing<T>>,
    up_since: Option<Instant>,
    failures: u32,
    /// The trouble that was logged last, so that it is logged once.
    logged: Option<String>,
}

impl<T> Link<T> {
    /// A link that has not been tried yet, and where to see how it stands.
    pub(super) fn new(
        direction: Direction,
        endpoint: Endpoint,
        topology: Arc<Topology>,
        closing: CancellationToken,
    ) -> (Self, watch::Receiver<Standing<T>>) {
        metrics::link_up(direction.as_str(), false);
        let (standing, stands) = watch::channel(Standing::Connecting);
        let (up_since, failures, logged) = (None, 0, None);
        let link =
            Self { direction, closing, endpoint, topology, standing, up_since, failures, logged };
        (link, stands)
    }

    /// A fresh connection with everything declared. Tries for as long as it takes; `None`
    /// once the queue is being closed.
    pub(super) async fn connect(&mut self) -> Option<Wire> {
        let closing = self.closing.clone();
        loop {
            let attempt = async {
                if self.failures > 0 {
                    tokio::time::sleep(BACKOFF.pause(self.failures, rand::random())).await;
                }
                let wire = Wire::open(&self.endpoint).await?;
                let declaring = self.topology.declare(&wire);
                within(self.endpoint.limit, "declaring queues", declaring).await?;
                Ok(wire)
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => return None,
                attempt = attempt => match attempt {
                    Ok(wire) => return Some(wire),
                    Err(cause) => self.down(&cause),
                },
            }
        }
    }

    /// Says that the link works.
    pub(super) fn up(&mut self, means: T) {
        self.up_since = Some(Instant::now());
        self.logged = None;
        self.standing.send_replace(Standing::Up(means));
        metrics::link_up(self.direction.as_str(), true);
        tracing::info!(direction = self.direction.as_str(), "the link to the broker is up");
    }

    /// Changes the means of a link that is up.
    pub(super) fn modify(&mut self, change: impl FnOnce(&mut T)) {
        self.standing.send_modify(|standing| {
            if let Standing::Up(means) = standing {
                change(means);
            }
        });
    }

    /// Says that the link does not work, or still does not.
    pub(super) fn down(&mut self, cause: &LinkError) {
        let held = self.up_since.take().is_some_and(|since| since.elapsed() >= STEADY);
        self.failures = if held { 1 } else { self.failures.saturating_add(1) };
        self.standing.send_replace(Standing::Connecting);
        metrics::link_up(self.direction.as_str(), false);
        let cause = with_causes(cause);
        let direction = self.direction.as_str();
        if self.logged.as_ref() == Some(&cause) {
            tracing::debug!(direction, cause, "the link to the broker is still down");
        } else {
            tracing::warn!(direction, cause, "the link to the broker is down");
            self.logged = Some(cause);
        }
    }

    /// Says that the link is no more, on request.
    pub(super) fn close(self) {
        tracing::info!(direction = self.direction.as_str(), "the link to the broker is closed");
    }
}

/// Whatever ended the owner: nobody shall wait for it.
impl<T> Drop for Link<T> {
    fn drop(&mut self) {
        self.standing.send_replace(Standing::Closed);
        metrics::link_up(self.direction.as_str(), false);
    }
}
