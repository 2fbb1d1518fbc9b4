//! One channel's deliveries, from the subscription to the settlement.
//!
//! Both queues are subscribed to on one channel. So there is one sequence of delivery
//! tags, and acks for both coalesce; trouble with either ends both, which a new
//! connection mends.

use std::{pin::Pin, time::Duration};

use futures_util::{FutureExt, Stream, StreamExt, future, stream};
use lapin::{
    Acker, Channel,
    message::Delivery as Message,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::sync::mpsc;

use crate::{
    metrics,
    queue::{
        self, Delivery, Verdict,
        amqp::{
            CHECK_EVERY, Receipt,
            error::{LinkError, within},
            outstanding::{Outstanding, Round, Tag},
            topology::{Topology, short},
            wire::Wire,
        },
    },
};

/// The share of the prefetch that the unrouted queue gets: it is empty but for trouble.
const UNROUTED_SHARE: u16 = 8;

type Messages = Pin<Box<dyn Stream<Item = Result<Message, LinkError>> + Send>>;

/// One channel's work in hand.
pub(super) struct Session {
    pub(super) channel: Channel,
    /// What the broker sends; empty once unsubscribed.
    pub(super) messages: Messages,
    pub(super) subscribed: bool,
    pub(super) outstanding: Outstanding<Acker>,
    /// Goes along with each delivery. Receipts of an earlier channel lead nowhere.
    receipts: mpsc::UnboundedSender<(Tag, Verdict)>,
    /// Holds at most one settlement a delivery, so the prefetch bounds it.
    pub(super) settlements: mpsc::UnboundedReceiver<(Tag, Verdict)>,
}

impl Session {
    /// A fresh channel, subscribed if wanted.
    pub(super) async fn open(
        wire: &Wire,
        topology: &Topology,
        take_max: u16,
        subscribe: bool,
    ) -> Result<Self, LinkError> {
        let channel = wire.channel().await?;
        let messages = stream::empty().boxed();
        let (receipts, settlements) = mpsc::unbounded_channel();
        let outstanding = Outstanding::new();
        let mut session =
            Self { channel, messages, subscribed: false, outstanding, receipts, settlements };
        if subscribe {
            session.subscribe(topology, take_max, wire.limit).await?;
        }
        Ok(session)
    }

    /// Subscribes to both queues.
    pub(super) async fn subscribe(
        &mut self,
        topology: &Topology,
        take_max: u16,
        limit: Duration,
    ) -> Result<(), LinkError> {
        let jobs = subscribe(&self.channel, &topology.jobs, take_max);
        let jobs = within(limit, "subscribing", jobs).await?;
        let share = (take_max / UNROUTED_SHARE).max(1);
        let unrouted = subscribe(&self.channel, &topology.unrouted, share);
        let unrouted = within(limit, "subscribing", unrouted).await?;
        self.messages = stream::select(jobs, unrouted).boxed();
        self.subscribed = true;
        Ok(())
    }

    /// One message and what else is there already, at most `room`.
    pub(super) fn take(&mut self, first: Message, room: usize) -> Result<Vec<Delivery>, LinkError> {
        let mut deliveries = vec![self.accept(first)];
        while deliveries.len() < room
            && let Some(Some(message)) = self.messages.next().now_or_never()
        {
            deliveries.push(self.accept(message?));
        }
        Ok(deliveries)
    }

    fn accept(&mut self, message: Message) -> Delivery {
        let tag = message.delivery_tag;
        self.outstanding.insert(tag, message.acker);
        let receipt = Receipt { tag, settlements: self.receipts.clone() };
        Delivery {
            body: message.data,
            redelivered: message.redelivered,
            receipt: queue::Receipt::Amqp(receipt),
        }
    }

    /// Ends the subscriptions; what arrived without having been looked at is settled as
    /// returned.
    pub(super) async fn unsubscribe(
        &mut self,
        topology: &Topology,
        limit: Duration,
    ) -> Result<(), LinkError> {
        self.subscribed = false;
        let ending = async {
            for queue in [&topology.jobs, &topology.unrouted] {
                let options = BasicCancelOptions { nowait: false };
                // A subscription's name is its queue's.
                self.channel.basic_cancel(short(queue), options).await?;
            }
            while let Some(message) = self.messages.next().await {
                // Each subscription ends in an error, this time a wanted one.
                let Ok(message) = message else { continue };
                self.outstanding.insert(message.delivery_tag, message.acker);
                self.outstanding.settle(message.delivery_tag, Verdict::Return);
            }
            Ok::<(), lapin::Error>(())
        };
        within(limit, "ending the subscription", ending).await
    }

    /// Tells the broker everything that is settled by now.
    pub(super) async fn tell(&mut self, limit: Duration) -> Result<(), LinkError> {
        while let Ok((tag, verdict)) = self.settlements.try_recv() {
            self.outstanding.settle(tag, verdict);
        }
        let Round { single, multiple } = self.outstanding.round();
        let covered = multiple.as_ref().map_or(0, |run| run.count);
        let mut lost = single.len() as u64 + covered;
        let telling = async {
            let each = single.iter().map(|(acker, verdict)| tell_one(acker, *verdict));
            let mut failed = Ok(());
            for told in future::join_all(each).await {
                match told {
                    Ok(heard) => lost -= u64::from(heard),
                    Err(error) => failed = Err(error),
                }
            }
            failed?;
            if let Some(run) = &multiple
                && run.last.ack(BasicAckOptions { multiple: true }).await?
            {
                lost -= covered;
            }
            Ok::<(), lapin::Error>(())
        };
        let told = tokio::select! {
            biased;
            told = within(limit, "acknowledging", telling) => told,
            () = ended(&self.channel) => Err(LinkError::Closed),
        };
        if lost > 0 {
            metrics::acks_lost(lost);
        }
        told
    }
}

/// Waits until the channel has ended. A settlement that meets the end of its connection
/// may stay without an answer in lapin.
async fn ended(channel: &Channel) {
    while channel.status().connected() {
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// Settles one delivery; `false` if the broker has taken it back before.
///
/// A return is a nack: on RabbitMQ 4.3 that does not count towards the delivery limit,
/// while a reject does; before, both count.
async fn tell_one(acker: &Acker, verdict: Verdict) -> Result<bool, lapin::Error> {
    match verdict {
        Verdict::Ack => acker.ack(BasicAckOptions { multiple: false }).await,
        Verdict::Return => acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
        Verdict::DeadLetter => acker.reject(BasicRejectOptions { requeue: false }).await,
    }
}

/// Subscribes with a prefetch of its own: each subscription has the one that was set
/// last before it. Its end is an error.
async fn subscribe(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> Result<impl Stream<Item = Result<Message, LinkError>> + Send + 'static, lapin::Error> {
    channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let (queue, tag) = (short(queue), short(queue));
    let consumer = channel.basic_consume(queue, tag, options, FieldTable::default()).await?;
    let messages = consumer.map(|message| message.map_err(LinkError::from));
    Ok(messages.chain(stream::once(future::ready(Err(LinkError::Unsubscribed)))))
}
