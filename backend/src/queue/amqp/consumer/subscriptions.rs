//! A channel's subscriptions to the queues.
//!
//! All queues are subscribed to on one channel. So there is one sequence of delivery tags, and
//! acks for all queues coalesce. A failure of one subscription ends all, which a new
//! connection cures.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    Stream, StreamExt, future,
    stream::{self, SelectAll},
};
use lapin::{
    Channel,
    message::Delivery as BrokerMessage,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};

use super::{lane::QueueKind, prefetch::Prefetch};
use crate::queue::amqp::{
    declaration::short,
    error::{LinkError, within},
    topology::Topology,
};

/// The queues besides that of jobs get this part of the prefetch each: they are empty unless
/// something went wrong.
const SHARE: u16 = 8;

/// The most subscriptions to the queue of jobs.
const JOB_SUBSCRIPTIONS_MAX: usize = 8;

/// A message that arrived, and what its queue holds.
pub(super) struct Arrival {
    pub(super) kind: QueueKind,
    pub(super) message: BrokerMessage,
}

type Arrivals = Pin<Box<dyn Stream<Item = Result<Arrival, LinkError>> + Send>>;

/// A subscription at the broker.
struct Subscription {
    /// Its consumer tag.
    name: String,
    prefetch: u16,
    /// Set before it is cancelled here: then its end is no error.
    cancelled: Arc<AtomicBool>,
}

/// The subscriptions of one channel; none at first.
pub(super) struct Subscriptions {
    channel: Channel,
    topology: Arc<Topology>,
    /// The number of subscriptions so far. It makes each name unique: a quorum queue that
    /// meets a name again whose deliveries are still out sends these once more (seen with
    /// 3.10).
    count: u32,
    /// The subscriptions to the queue of jobs. Their prefetches add up to the wanted one: a
    /// subscription keeps its own for as long as it lives.
    jobs: Vec<Subscription>,
    others: Vec<Subscription>,
    /// Messages with outcomes, which go before all others.
    outcomes: SelectAll<Arrivals>,
    /// Messages of the other queues, in turn.
    messages: SelectAll<Arrivals>,
}

impl Subscriptions {
    /// Creates an empty set.
    pub(super) fn new(channel: &Channel, topology: &Arc<Topology>) -> Self {
        Self {
            channel: channel.clone(),
            topology: Arc::clone(topology),
            count: 0,
            jobs: Vec::new(),
            others: Vec::new(),
            outcomes: SelectAll::new(),
            messages: SelectAll::new(),
        }
    }

    /// Returns whether there are subscriptions.
    pub(super) fn exist(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Subscribes to all queues.
    pub(super) async fn begin(
        &mut self,
        prefetch: Prefetch,
        limit: Duration,
    ) -> Result<(), LinkError> {
        within(limit, "subscribing", self.subscribe_to_all(prefetch)).await
    }

    async fn subscribe_to_all(&mut self, prefetch: Prefetch) -> Result<(), lapin::Error> {
        let topology = Arc::clone(&self.topology);
        // Outcomes come singly.
        let for_outcomes = u16::try_from(prefetch.jobs_max()).unwrap_or(u16::MAX) / SHARE;
        let (outcomes, arrivals) =
            self.subscribe(QueueKind::Outcomes, &topology.outcomes, for_outcomes.max(1)).await?;
        self.outcomes.push(arrivals);
        self.others.push(outcomes);
        self.adjust_jobs(prefetch.messages()).await?;
        // Messages with jobs may be full of them. At least two, so that one that nobody can
        // read here does not hold up all others.
        let for_jobs = (prefetch.messages() / SHARE).max(2);
        for (kind, queue) in [
            (QueueKind::Jobs, &topology.unrouted),
            (QueueKind::DeadLetters, &topology.dead_letters),
        ] {
            let (other, arrivals) = self.subscribe(kind, queue, for_jobs).await?;
            self.messages.push(arrivals);
            self.others.push(other);
        }
        Ok(())
    }

    /// Changes how many messages the broker sends ahead. What has arrived stays here.
    pub(super) async fn change_prefetch(
        &mut self,
        prefetch: Prefetch,
        limit: Duration,
    ) -> Result<(), LinkError> {
        let changing = self.adjust_jobs(prefetch.messages());
        within(limit, "changing the prefetch", changing).await
    }

    /// Ends all subscriptions and returns what arrived without having been seen.
    pub(super) async fn end(&mut self, limit: Duration) -> Result<Vec<BrokerMessage>, LinkError> {
        let all: Vec<_> = self.jobs.drain(..).chain(self.others.drain(..)).collect();
        let ending = async {
            for subscription in &all {
                cancel(&self.channel, subscription).await?;
            }
            let mut unseen = Vec::new();
            while let Some(arrival) = self.next().await {
                unseen.push(arrival?.message);
            }
            Ok::<_, LinkError>(unseen)
        };
        within(limit, "ending the subscription", ending).await
    }

    /// Waits for the next message; returns `None` if there is no subscription. Safe to drop.
    pub(super) async fn next(&mut self) -> Option<Result<Arrival, LinkError>> {
        tokio::select! {
            biased;
            Some(outcome) = self.outcomes.next() => Some(outcome),
            Some(message) = self.messages.next() => Some(message),
            else => None,
        }
    }

    /// Subscribes to jobs once more, or cancels some subscriptions, until the broker may send
    /// so many `messages` ahead. The first one stays.
    async fn adjust_jobs(&mut self, messages: u16) -> Result<(), lapin::Error> {
        let sum = |jobs: &[Subscription]| jobs.iter().map(|one| one.prefetch).sum::<u16>();
        while self.jobs.len() > 1
            && (sum(&self.jobs) > messages || self.jobs.len() == JOB_SUBSCRIPTIONS_MAX)
            && let Some(last) = self.jobs.pop()
        {
            cancel(&self.channel, &last).await?;
        }
        let missing = messages.saturating_sub(sum(&self.jobs));
        if missing > 0 {
            let topology = Arc::clone(&self.topology);
            let (jobs, arrivals) = self.subscribe(QueueKind::Jobs, &topology.jobs, missing).await?;
            self.messages.push(arrivals);
            self.jobs.push(jobs);
        }
        Ok(())
    }

    /// Subscribes to `queue` with a prefetch of its own: the broker gives each subscription the
    /// one that was set last before it.
    async fn subscribe(
        &mut self,
        kind: QueueKind,
        queue: &str,
        prefetch: u16,
    ) -> Result<(Subscription, Arrivals), lapin::Error> {
        self.count += 1;
        let name = format!("{queue}.{}", self.count);
        self.channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let table = FieldTable::default();
        let consumer = self.channel.basic_consume(short(queue), short(&name), options, table);
        let arrivals = consumer.await?.map(move |message| Ok(Arrival { kind, message: message? }));
        let cancelled = Arc::new(AtomicBool::new(false));
        let arrivals = arrivals.chain(error_unless(Arc::clone(&cancelled))).boxed();
        Ok((Subscription { name, prefetch, cancelled }, arrivals))
    }
}

/// Returns a stream for the end of a subscription: one error, unless it was cancelled here.
fn error_unless(
    cancelled: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Arrival, LinkError>> + Send {
    let was_cancelled = stream::once(async move { cancelled.load(Ordering::Acquire) });
    was_cancelled.filter_map(|was_cancelled| {
        future::ready(if was_cancelled { None } else { Some(Err(LinkError::Unsubscribed)) })
    })
}

async fn cancel(channel: &Channel, subscription: &Subscription) -> Result<(), lapin::Error> {
    subscription.cancelled.store(true, Ordering::Release);
    let options = BasicCancelOptions { nowait: false };
    channel.basic_cancel(short(&subscription.name), options).await
}
