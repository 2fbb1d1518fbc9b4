//! One channel's deliveries, from their arrival to their settlement.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    ack_ranges::{Outstanding, Round},
    lane::{QueueKind, lane},
    prefetch::{Prefetch, UnsettledCounts},
    receipt::{Receipt, SettledMessage, Unsettled},
    subscriptions::{Arrival, Subscriptions},
};
use crate::queue::{
    amqp::{
        connection::Connection,
        error::{LinkError, within},
        mean_jobs::MeanJobs,
        supervisor::check_timer,
        topology::Topology,
    },
    delivery::{self, Delivery},
    disposition::Disposition,
};
use quhao_common::{envelope::batch, process::metrics};

/// How long an ack waits for others, to be sent with them. Nobody waits for an ack, and a
/// quorum queue writes to disk on each one.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// The number of settled messages that are acked without waiting for more.
const ACK_BATCH: u64 = 8;

/// An open channel and the deliveries that came over it.
pub(super) struct ConsumerChannel {
    pub(super) lapin: Channel,
    pub(super) subscriptions: Subscriptions,
    /// The settlements of messages. Holds at most one a message, so the prefetch bounds it.
    pub(super) settlements: mpsc::UnboundedReceiver<SettledMessage>,
    /// When to send the settlements that wait for others; `None` if none do.
    pub(super) acks_due_at: Option<Instant>,
    outstanding: Outstanding<Acker>,
    unsettled: Unsettled,
    mean_jobs: Arc<MeanJobs>,
    /// Given to each receipt. Receipts of an earlier channel lead nowhere.
    receipts: mpsc::UnboundedSender<SettledMessage>,
    /// The time limit of each request to the broker.
    limit: Duration,
}

impl ConsumerChannel {
    /// Opens a channel without a subscription.
    pub(super) async fn open(
        connection: &Connection,
        topology: &Arc<Topology>,
        mean_jobs: &Arc<MeanJobs>,
    ) -> Result<Self, LinkError> {
        let channel = connection.channel().await?;
        let (receipts, settlements) = mpsc::unbounded_channel();
        Ok(Self {
            subscriptions: Subscriptions::new(&channel, topology),
            lapin: channel,
            settlements,
            acks_due_at: None,
            outstanding: Outstanding::new(),
            unsettled: Unsettled::default(),
            mean_jobs: Arc::clone(mean_jobs),
            receipts,
            limit: connection.limit,
        })
    }

    /// Returns how many deliveries are not settled.
    pub(super) fn unsettled(&self) -> usize {
        self.unsettled.count()
    }

    /// Returns the deliveries of the message `first` and of those that have arrived behind it.
    /// There are `room` of them at most, or as many more as the last message holds.
    pub(super) fn take(&mut self, first: Arrival, room: usize) -> Result<Vec<Delivery>, LinkError> {
        let mut deliveries = Vec::new();
        self.unpack(first, &mut deliveries);
        while deliveries.len() < room
            && let Some(Some(arrival)) = self.subscriptions.next().now_or_never()
        {
            self.unpack(arrival?, &mut deliveries);
        }
        Ok(deliveries)
    }

    /// Adds the deliveries of one message.
    fn unpack(&mut self, arrival: Arrival, deliveries: &mut Vec<Delivery>) {
        let Arrival { kind, message } = arrival;
        let tag = message.delivery_tag;
        self.outstanding.insert(tag, message.acker);
        let bodies = match batch::unpack(&message.data) {
            Ok(bodies) => bodies.into_iter().map(<[u8]>::to_vec).collect(),
            // No batch, or one that is damaged: the worker that opens it finds out.
            Err(_) => vec![message.data],
        };
        if kind == QueueKind::Jobs {
            self.mean_jobs.record(bodies.len());
        }
        let lane = lane(kind, message.properties.headers().as_ref());
        let receipts = Receipt::of_message(tag, bodies.len(), &self.unsettled, &self.receipts);
        deliveries.extend(bodies.into_iter().zip(receipts).map(|(body, receipt)| Delivery {
            body,
            lane,
            redelivered: message.redelivered,
            receipt: delivery::Receipt::Amqp(receipt),
        }));
    }

    /// Notes a settlement, and sends those that wait unless more are to be expected soon.
    pub(super) async fn on_settled(&mut self, settled: SettledMessage) -> Result<(), LinkError> {
        self.settle(settled);
        let is_worth_waiting =
            self.outstanding.has_unsettled() && self.outstanding.unsent() < ACK_BATCH;
        if is_worth_waiting {
            self.acks_due_at.get_or_insert_with(|| Instant::now() + ACK_DELAY);
            return Ok(());
        }
        self.send_settlements().await
    }

    fn settle(&mut self, settled: SettledMessage) {
        self.outstanding.settle(settled.tag, settled.disposition);
    }

    /// Ends the subscriptions. What arrived without having been seen is settled as requeued.
    pub(super) async fn unsubscribe(&mut self) -> Result<(), LinkError> {
        for message in self.subscriptions.end(self.limit).await? {
            self.outstanding.insert(message.delivery_tag, message.acker);
            self.outstanding.settle(message.delivery_tag, Disposition::Requeue);
        }
        Ok(())
    }

    /// Subscribes with this prefetch.
    pub(super) async fn subscribe(&mut self, prefetch: Prefetch) -> Result<(), LinkError> {
        self.subscriptions.begin(prefetch, self.limit).await
    }

    /// Lets the prefetch follow what is held, and returns it. Without a subscription the broker
    /// sends nothing, so there is nothing to change.
    pub(super) async fn adjust_prefetch(
        &mut self,
        prefetch: Prefetch,
    ) -> Result<Prefetch, LinkError> {
        let unsettled =
            UnsettledCounts { messages: self.outstanding.len(), jobs: self.unsettled() };
        match prefetch.adjusted(unsettled) {
            Some(adjusted) if self.subscriptions.exist() => {
                self.subscriptions.change_prefetch(adjusted, self.limit).await?;
                Ok(adjusted)
            }
            _ => Ok(prefetch),
        }
    }

    /// Takes what was settled but not sent, and returns how many messages that is. For a
    /// connection that has ended.
    pub(super) fn abandon_settlements(&mut self) -> u64 {
        self.settlements.close();
        self.receive_settlements();
        self.outstanding.unsent()
    }

    fn receive_settlements(&mut self) {
        while let Ok(settled) = self.settlements.try_recv() {
            self.settle(settled);
        }
    }

    /// Sends the broker everything that is settled by now.
    pub(super) async fn send_settlements(&mut self) -> Result<(), LinkError> {
        self.acks_due_at = None;
        self.receive_settlements();
        let round = self.outstanding.round();
        let mut lost = round.single.len() as u64;
        lost += round.multiple.as_ref().map_or(0, |run| run.count);
        let sent = tokio::select! {
            biased;
            sent = within(self.limit, "acknowledging", send(&round, &mut lost)) => sent,
            () = ended(&self.lapin) => Err(LinkError::Closed),
        };
        if lost > 0 {
            metrics::acks_lost(lost);
        }
        sent
    }
}

/// Sends a round of settlements. Subtracts from `lost` those that the broker received.
async fn send(round: &Round<Acker>, lost: &mut u64) -> Result<(), lapin::Error> {
    let singles = round.single.iter().map(|(acker, disposition)| send_one(acker, *disposition));
    let mut failed = Ok(());
    for sent in future::join_all(singles).await {
        match sent {
            Ok(was_received) => *lost -= u64::from(was_received),
            Err(error) => failed = Err(error),
        }
    }
    failed?;
    if let Some(run) = &round.multiple
        && run.last.ack(BasicAckOptions { multiple: true }).await?
    {
        *lost -= run.count;
    }
    Ok(())
}

/// Settles one message. Returns `false` if the broker has taken it back before.
///
/// To requeue is a nack: on RabbitMQ 4.3 that does not count towards the delivery limit, while
/// a reject does. Before 4.3 both count.
async fn send_one(acker: &Acker, disposition: Disposition) -> Result<bool, lapin::Error> {
    match disposition {
        Disposition::Ack => acker.ack(BasicAckOptions { multiple: false }).await,
        Disposition::Requeue => {
            acker.nack(BasicNackOptions { multiple: false, requeue: true }).await
        }
        Disposition::DeadLetter => acker.reject(BasicRejectOptions { requeue: false }).await,
    }
}

/// Waits until the channel has ended. A settlement that meets the end of its connection may
/// stay without an answer in lapin.
async fn ended(channel: &Channel) {
    let mut check = check_timer();
    while channel.status().connected() {
        check.tick().await;
    }
}
