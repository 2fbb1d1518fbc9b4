//! Publishing, the owner's side: one task publishes, and keeps every open confirm.
//!
//! It must be the only one to publish on the channel: lapin numbers a publish and queues it
//! in two steps, so that two tasks on two threads get each other's confirms. And it keeps a
//! confirm after its caller has stopped waiting, since a confirm that is dropped stays in
//! lapin's memory for as long as the channel lives.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::{Channel, options::ConfirmSelectOptions};
use tokio::{sync::mpsc, time::timeout};

use super::{
    in_flight::{InFlight, publish},
    pending::{BATCH_FROM, Pending},
    request::PublishRequest,
    state::PublisherState,
};
use crate::queue::amqp::{
    connection::Connection,
    declaration::short,
    error::{LinkError, within},
    mean_jobs::MeanJobs,
    supervisor::{Supervisor, check_timer},
};
use quhao_common::process::metrics;

/// The connection is given up when nothing was confirmed for this many confirm time-outs
/// although something is in flight.
const SILENT_TIMEOUTS: u32 = 3;

/// How long the open confirms of a connection that has ended may take to fail.
const FAIL_LIMIT: Duration = Duration::from_secs(1);

/// The most requests that are received at once.
const RECEIVED_MAX: usize = 64;

/// The settings of an [`Owner`].
pub(super) struct OwnerConfig {
    /// The exchange to publish to.
    pub(super) exchange: String,
    /// How long a caller waits for a confirm.
    pub(super) confirm_timeout: Duration,
    /// The most messages that callers wait for.
    pub(super) window: usize,
}

/// The task that owns the channel.
pub(super) struct Owner {
    config: OwnerConfig,
    supervisor: Supervisor<PublisherState>,
    mean_jobs: Arc<MeanJobs>,
}

/// One channel, and what is to be published on it.
struct PublisherChannel {
    lapin: Channel,
    inbox: mpsc::Receiver<PublishRequest>,
    pending: Pending,
    in_flight: FuturesUnordered<InFlight>,
    /// When the broker last confirmed something, or there was nothing to confirm.
    last_progress: Instant,
    /// Whether the broker has blocked publishers.
    blocked: bool,
}

impl Owner {
    /// Creates the task's state.
    pub(super) fn new(
        config: OwnerConfig,
        supervisor: Supervisor<PublisherState>,
        mean_jobs: Arc<MeanJobs>,
    ) -> Self {
        Self { config, supervisor, mean_jobs }
    }

    /// Runs until the queue is closed.
    pub(super) async fn run(mut self) {
        while let Some(connection) = self.supervisor.connect().await {
            let ended = self.serve(&connection).await;
            connection.close().await;
            if ended.is_ok() {
                break;
            }
        }
        self.supervisor.close();
    }

    /// Publishes over one connection, until it fails (`Err`) or the queue is closed.
    async fn serve(&mut self, connection: &Connection) -> Result<(), LinkError> {
        let mut channel = match self.open_channel(connection).await {
            Ok(channel) => channel,
            Err(cause) => {
                self.supervisor.mark_down(&cause);
                return Err(cause);
            }
        };
        let ended = self.work(&mut channel, connection).await;
        match &ended {
            Ok(()) => self.finish(channel, connection).await,
            Err(cause) => {
                self.supervisor.mark_down(cause);
                abandon(channel, connection).await;
            }
        }
        ended
    }

    /// Opens a channel in confirm mode and lets callers publish.
    async fn open_channel(
        &mut self,
        connection: &Connection,
    ) -> Result<PublisherChannel, LinkError> {
        let channel = connection.channel().await?;
        let confirming = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        within(connection.limit, "turning confirms on", confirming).await?;
        let (requests, inbox) = mpsc::channel(self.config.window);
        let connection = Arc::clone(&connection.lapin);
        self.supervisor.mark_up(PublisherState { requests, connection });
        Ok(PublisherChannel {
            lapin: channel,
            inbox,
            pending: Pending::default(),
            in_flight: FuturesUnordered::new(),
            last_progress: Instant::now(),
            blocked: false,
        })
    }

    async fn work(
        &mut self,
        channel: &mut PublisherChannel,
        connection: &Connection,
    ) -> Result<(), LinkError> {
        let closing = self.supervisor.closing.clone();
        let mut ended = pin!(connection.ended());
        let mut check = check_timer();
        let mut received = Vec::with_capacity(RECEIVED_MAX);
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(()),
                Some(confirmed) = channel.in_flight.next() => {
                    channel.last_progress = Instant::now();
                    confirmed?;
                }
                1.. = channel.inbox.recv_many(&mut received, RECEIVED_MAX) => {
                    channel.accept(&mut received);
                }
                cause = &mut ended => return Err(cause),
                _ = check.tick() => self.check(channel, connection)?,
            }
            self.publish_pending(channel, BATCH_FROM);
        }
    }

    /// Checks for changes that send no event: a closed channel, a block, a silent broker.
    fn check(
        &self,
        channel: &mut PublisherChannel,
        connection: &Connection,
    ) -> Result<(), LinkError> {
        let status = connection.lapin.status();
        if !status.connected() || !channel.lapin.status().connected() {
            return Err(LinkError::Closed);
        }
        let blocked = status.blocked();
        if blocked != channel.blocked {
            channel.blocked = blocked;
            if blocked {
                metrics::link_down(self.supervisor.direction);
                tracing::warn!(
                    "the broker has blocked publishers (memory or disk alarm); \
                     submits are refused until it unblocks them"
                );
            } else {
                metrics::link_up(self.supervisor.direction);
                tracing::info!("the broker accepts publishes again");
            }
        }
        if blocked {
            // What is in flight may be confirmed after the alarm; the rest is not sent.
            channel.pending.refuse_all();
        }
        if blocked || channel.in_flight.is_empty() {
            channel.last_progress = Instant::now();
        }
        let silent_after = self.config.confirm_timeout.saturating_mul(SILENT_TIMEOUTS);
        if channel.last_progress.elapsed() > silent_after {
            return Err(LinkError::Timeout("waiting for confirms"));
        }
        Ok(())
    }

    /// Publishes what was accepted before the queue was closed. Whoever closes limits the
    /// time.
    async fn finish(&self, mut channel: PublisherChannel, connection: &Connection) {
        channel.inbox.close();
        while let Some(request) = channel.inbox.recv().await {
            channel.pending.push(request);
        }
        self.publish_pending(&mut channel, usize::MAX);
        drain(&mut channel.in_flight, connection).await;
        connection.close_channel(&channel.lapin).await;
    }

    /// Publishes what may be published; requests wait to be batched while at least
    /// `batch_from` messages are in flight.
    fn publish_pending(&self, channel: &mut PublisherChannel, batch_from: usize) {
        while let Some(requests) = channel.pending.next(channel.in_flight.len(), batch_from) {
            metrics::published(requests.len());
            self.mean_jobs.record(requests.len());
            let exchange = short(&self.config.exchange);
            let in_flight = publish(channel.lapin.clone(), exchange, requests);
            channel.in_flight.push(in_flight.boxed());
        }
    }
}

impl PublisherChannel {
    /// Moves requests from the inbox to those that wait.
    fn accept(&mut self, received: &mut Vec<PublishRequest>) {
        if self.in_flight.is_empty() {
            self.last_progress = Instant::now();
        }
        for request in received.drain(..) {
            self.pending.push(request);
        }
    }
}

/// Ends the use of a connection that has failed: every caller gets an answer.
async fn abandon(channel: PublisherChannel, connection: &Connection) {
    let PublisherChannel { inbox, pending, mut in_flight, .. } = channel;
    drop(inbox);
    drop(pending);
    connection.close().await;
    let failing = async { while in_flight.next().await.is_some() {} };
    // The callers of those that do not even fail in time are answered by the drop.
    let _ = timeout(FAIL_LIMIT, failing).await;
}

/// Waits for the open confirms, as long as they can come at all.
async fn drain(in_flight: &mut FuturesUnordered<InFlight>, connection: &Connection) {
    let mut check = check_timer();
    loop {
        tokio::select! {
            biased;
            confirmed = in_flight.next() => if confirmed.is_none() { return },
            _ = check.tick() => if connection.lapin.status().blocked() { return },
        }
    }
}
