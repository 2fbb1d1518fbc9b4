//! The task that owns a channel: it moves deliveries into the buffer, and sends settlements to
//! the broker.

use std::{future, pin::pin, sync::Arc};

use tokio::time::{Instant, sleep_until};

use super::{
    buffer::Buffer, channel::ConsumerChannel, prefetch::Prefetch, state::ConsumerState,
    subscriptions::Arrival,
};
use crate::queue::{
    amqp::{
        connection::Connection,
        error::LinkError,
        mean_jobs::MeanJobs,
        supervisor::{Supervisor, check_timer},
        topology::Topology,
    },
    disposition::Disposition,
};
use quhao_common::process::metrics;

/// The owner of the channel, of one after the other.
pub(super) struct Owner {
    pub(super) supervisor: Supervisor<ConsumerState>,
    pub(super) topology: Arc<Topology>,
    pub(super) prefetch: Prefetch,
    pub(super) mean_jobs: Arc<MeanJobs>,
    pub(super) buffer: Arc<Buffer>,
}

impl Owner {
    /// Runs until the queue is closed.
    pub(super) async fn run(mut self) {
        while let Some(connection) = self.supervisor.connect().await {
            let ended = self.serve(&connection).await;
            if let Err(cause) = &ended {
                self.supervisor.mark_down(cause);
            }
            connection.close().await;
            if ended.is_ok() {
                break;
            }
        }
        self.supervisor.close();
    }

    /// Consumes over one connection, until it fails (`Err`) or the queue is closed.
    async fn serve(&mut self, connection: &Connection) -> Result<(), LinkError> {
        let subscribe = self.buffer.wants_deliveries();
        let mut channel =
            ConsumerChannel::open(connection, &self.topology, &self.mean_jobs).await?;
        if subscribe {
            self.subscribe(&mut channel).await?;
        }
        let state =
            ConsumerState { connection: connection.lapin.clone(), is_subscribed: subscribe };
        self.supervisor.mark_up(state);
        let ended = self.work(&mut channel, connection).await;
        // The broker takes back what is out: to hand it out here would run it twice.
        drop(self.buffer.drain());
        metrics::acks_lost(channel.abandon_settlements());
        ended
    }

    async fn work(
        &mut self,
        channel: &mut ConsumerChannel,
        connection: &Connection,
    ) -> Result<(), LinkError> {
        let closing = self.supervisor.closing.clone();
        let stopped = self.buffer.stopped.clone();
        let mut paused = self.buffer.paused.subscribe();
        paused.mark_changed(); // it may have changed while the channel was being opened
        let mut ended = pin!(connection.ended());
        let mut check = check_timer();
        loop {
            let room = self.prefetch.jobs_max().saturating_sub(channel.unsettled());
            let is_subscribed = channel.subscriptions.exist();
            tokio::select! {
                biased;
                () = wait_until(channel.acks_due_at) => channel.send_settlements().await?,
                Some(settled) = channel.settlements.recv() => channel.on_settled(settled).await?,
                () = closing.cancelled() => return self.on_closing(channel, connection).await,
                () = stopped.cancelled(), if is_subscribed => self.unsubscribe(channel).await?,
                Ok(()) = paused.changed() => self.on_pause_changed(channel).await?,
                Some(arrival) = channel.subscriptions.next(), if is_subscribed && room > 0 => {
                    self.on_arrival(channel, arrival?, room)?;
                }
                cause = &mut ended => return Err(cause),
                _ = check.tick() => self.on_check(channel).await?,
            }
        }
    }

    /// Gives everything back and sends the last settlements, because the queue is being closed.
    async fn on_closing(
        &mut self,
        channel: &mut ConsumerChannel,
        connection: &Connection,
    ) -> Result<(), LinkError> {
        self.unsubscribe(channel).await?;
        channel.send_settlements().await?;
        connection.close_channel(&channel.lapin).await;
        Ok(())
    }

    /// Ends the subscriptions for a pause, or subscribes again after it.
    async fn on_pause_changed(&mut self, channel: &mut ConsumerChannel) -> Result<(), LinkError> {
        if *self.buffer.paused.borrow() {
            return self.unsubscribe(channel).await;
        }
        if self.buffer.wants_deliveries() && !channel.subscriptions.exist() {
            self.subscribe(channel).await?;
            self.supervisor.modify(|state| state.is_subscribed = true);
            tracing::info!("resumed: deliveries are consumed again");
        }
        Ok(())
    }

    /// Buffers the deliveries of a message, and of those behind it while there is room.
    fn on_arrival(
        &self,
        channel: &mut ConsumerChannel,
        arrival: Arrival,
        room: usize,
    ) -> Result<(), LinkError> {
        self.buffer.push(channel.take(arrival, room)?);
        Ok(())
    }

    /// Checks for a closed channel, which sends no event, and lets the prefetch follow what is
    /// held.
    async fn on_check(&mut self, channel: &mut ConsumerChannel) -> Result<(), LinkError> {
        if !channel.lapin.status().connected() {
            return Err(LinkError::Closed);
        }
        self.prefetch = channel.adjust_prefetch(self.prefetch).await?;
        Ok(())
    }

    /// Subscribes with the narrowest prefetch, as if nothing were known of how full messages
    /// are: one that is wide from the start could not be narrowed.
    async fn subscribe(&mut self, channel: &mut ConsumerChannel) -> Result<(), LinkError> {
        self.prefetch = self.prefetch.reset();
        channel.subscribe(self.prefetch).await
    }

    /// Ends the subscriptions and gives back everything that was not handed out.
    async fn unsubscribe(&mut self, channel: &mut ConsumerChannel) -> Result<(), LinkError> {
        if !channel.subscriptions.exist() {
            return Ok(());
        }
        channel.unsubscribe().await?;
        for delivery in self.buffer.drain() {
            delivery.settle(Disposition::Requeue);
        }
        channel.send_settlements().await?;
        self.supervisor.modify(|state| state.is_subscribed = false);
        tracing::info!("stopped consuming; buffered deliveries went back to the broker");
        Ok(())
    }
}

/// Waits until `at`; for ever if there is no such time.
async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => future::pending().await,
    }
}
