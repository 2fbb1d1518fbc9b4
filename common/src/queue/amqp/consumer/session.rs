//! One channel's deliveries, from the subscription to the settlement.
//!
//! All queues are subscribed to on one channel. So there is one sequence of delivery
//! tags, and acks for all coalesce; trouble with one ends all, which a new connection
//! mends.

use std::{pin::Pin, time::Duration};

use futures_util::{
    FutureExt, Stream, StreamExt, future,
    stream::{self, PollNext},
};
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
            lane::{Source, lane},
            outstanding::{Outstanding, Round, Tag},
            topology::{Topology, short},
            wire::Wire,
        },
    },
};

/// The part of the prefetch that each of the other queues gets: they are empty but for
/// trouble.
const SHARE: u16 = 8;

type Messages = Pin<Box<dyn Stream<Item = Result<Arrival, LinkError>> + Send>>;

/// A message, and what it was subscribed to.
type Arrival = (Source, Message);

/// One channel's work in hand.
pub(super) struct Session {
    pub(super) channel: Channel,
    /// What the broker sends; empty once unsubscribed.
    pub(super) messages: Messages,
    pub(super) subscribed: bool,
    /// How often this channel has subscribed. Part of each subscription's name: a quorum
    /// queue that meets a name again, whose deliveries are still out, sends these once more
    /// (seen with 3.10).
    subscriptions: u32,
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
        let mut session = Self {
            channel,
            messages,
            subscribed: false,
            subscriptions: 0,
            outstanding,
            receipts,
            settlements,
        };
        if subscribe {
            session.subscribe(topology, take_max, wire.limit).await?;
        }
        Ok(session)
    }

    /// Subscribes to all queues. What arrives from each is looked at in turn, but outcomes
    /// before all else.
    pub(super) async fn subscribe(
        &mut self,
        topology: &Topology,
        take_max: u16,
        limit: Duration,
    ) -> Result<(), LinkError> {
        let share = (take_max / SHARE).max(1);
        self.subscriptions += 1;
        let [resume, jobs, unrouted, dead] =
            [&topology.resume, &topology.jobs, &topology.unrouted, &topology.dead]
                .map(|queue| (queue.as_str(), self.subscription(queue)));
        let channel = self.channel.clone();
        let subscribing = async {
            let resume = subscribe(&channel, Source::Resume, resume, share).await?;
            let jobs = subscribe(&channel, Source::Jobs, jobs, take_max).await?;
            let unrouted = subscribe(&channel, Source::Jobs, unrouted, share).await?;
            let dead = subscribe(&channel, Source::Dead, dead, share).await?;
            let others = stream::select(jobs, stream::select(unrouted, dead));
            let first = |(): &mut ()| PollNext::Left;
            Ok::<_, lapin::Error>(stream::select_with_strategy(resume, others, first))
        };
        self.messages = within(limit, "subscribing", subscribing).await?.boxed();
        self.subscribed = true;
        Ok(())
    }

    /// The name of the subscription to `queue`.
    fn subscription(&self, queue: &str) -> String {
        format!("{queue}.{}", self.subscriptions)
    }

    /// One message and what else is there already, at most `room`.
    pub(super) fn take(&mut self, first: Arrival, room: usize) -> Result<Vec<Delivery>, LinkError> {
        let mut deliveries = vec![self.accept(first)];
        while deliveries.len() < room
            && let Some(Some(message)) = self.messages.next().now_or_never()
        {
            deliveries.push(self.accept(message?));
        }
        Ok(deliveries)
    }

    fn accept(&mut self, (source, message): Arrival) -> Delivery {
        let tag = message.delivery_tag;
        self.outstanding.insert(tag, message.acker);
        let receipt = Receipt { tag, settlements: self.receipts.clone() };
        Delivery {
            body: message.data,
            lane: lane(source, message.properties.headers().as_ref()),
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
            for queue in [&topology.jobs, &topology.unrouted, &topology.resume, &topology.dead] {
                let options = BasicCancelOptions { nowait: false };
                self.channel.basic_cancel(short(&self.subscription(queue)), options).await?;
            }
            while let Some(message) = self.messages.next().await {
                // Each subscription ends in an error, this time a wanted one.
                let Ok((_, message)) = message else { continue };
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

/// Subscribes to a queue under a name with a prefetch of its own: each subscription has the
/// one that was set last before it. Its end is an error.
async fn subscribe(
    channel: &Channel,
    source: Source,
    (queue, name): (&str, String),
    prefetch: u16,
) -> Result<impl Stream<Item = Result<Arrival, LinkError>> + Send + use<>, lapin::Error> {
    channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
    let options =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let (queue, name) = (short(queue), short(&name));
    let consumer = channel.basic_consume(queue, name, options, FieldTable::default()).await?;
    let messages = consumer.map(move |message| Ok((source, message?)));
    Ok(messages.chain(stream::once(future::ready(Err(LinkError::Unsubscribed)))))
}
