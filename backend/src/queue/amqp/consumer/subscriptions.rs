//! A channel's subscriptions to the queues.
//!
//! All queues are subscribed to on one channel. So there is one sequence of delivery
//! tags, and acks for all coalesce; trouble with one ends all, which a new connection
//! mends.

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
    message::Delivery as Arrived,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};

use crate::queue::amqp::{
    error::{LinkError, within},
    lane::Source,
    prefetch::Allowance,
    topology::{Topology, short},
};

/// The part of what may be held that each of the other queues gets: they are empty but for
/// trouble.
const SHARE: u16 = 8;

/// Subscriptions to jobs at most.
const TO_JOBS_MAX: usize = 8;

/// A message, and what it was subscribed to.
pub(super) type Arrival = (Source, Arrived);

type Messages = Pin<Box<dyn Stream<Item = Result<Arrival, LinkError>> + Send>>;

/// A subscription that the broker knows.
struct Subscription {
    /// Its name there.
    name: String,
    prefetch: u16,
    /// Set before it is ended: then its end is no error.
    final_state: Arc<AtomicBool>,
}

/// The subscriptions of one channel; none at first.
pub(super) struct Subscriptions {
    channel: Channel,
    topology: Arc<Topology>,
    /// How many there have been. Part of each one's name: a quorum queue that meets a name
    /// again, whose deliveries are still out, sends these once more (seen with 3.10).
    count: u32,
    /// To jobs. Together they have the prefetch that is wanted: one has its own for as long
    /// as it lives.
    jobs: Vec<Subscription>,
    others: Vec<Subscription>,
    /// Of the queue with outcomes, which goes before all else.
    outcomes: SelectAll<Messages>,
    /// Of the other queues, in turn.
    messages: SelectAll<Messages>,
}

impl Subscriptions {
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

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Subscribes to all queues.
    pub(super) async fn begin(
        &mut self,
        allowance: Allowance,
        limit: Duration,
    ) -> Result<(), LinkError> {
        let share = u16::try_from(allowance.jobs()).unwrap_or(u16::MAX) / SHARE;
        // Outcomes come singly; what has jobs in it may be full of them. Two, so that one that
        // nobody can read here does not hold up all others.
        let with_jobs = (allowance.messages() / SHARE).max(2);
        let topology = Arc::clone(&self.topology);
        let beginning = async {
            let (resume, messages) =
                self.subscribe(Source::Resume, &topology.resume, share.max(1)).await?;
            self.outcomes.push(messages);
            self.others.push(resume);
            self.have_jobs_sent(allowance.messages()).await?;
            for (source, queue) in
                [(Source::Jobs, &topology.unrouted), (Source::Dead, &topology.dead)]
            {
                let (other, messages) = self.subscribe(source, queue, with_jobs).await?;
                self.messages.push(messages);
                self.others.push(other);
            }
            Ok::<_, lapin::Error>(())
        };
        within(limit, "subscribing", beginning).await
    }

    /// Has the broker send more or fewer jobs ahead. What has arrived stays here.
    pub(super) async fn change(
        &mut self,
        allowance: Allowance,
        limit: Duration,
    ) -> Result<(), LinkError> {
        let changing = self.have_jobs_sent(allowance.messages());
        within(limit, "changing the prefetch", changing).await
    }

    /// Ends all, and gives what arrived without having been looked at.
    pub(super) async fn end(&mut self, limit: Duration) -> Result<Vec<Arrived>, LinkError> {
        let all: Vec<_> = self.jobs.drain(..).chain(self.others.drain(..)).collect();
        let final_state = async {
            for subscription in &all {
                cancel(&self.channel, subscription).await?;
            }
            let mut left = Vec::new();
            while let Some(message) = self.next().await {
                left.push(message?.1);
            }
            Ok::<_, LinkError>(left)
        };
        within(limit, "final_state the subscription", final_state).await
    }

    /// The next message; `None` when there is no subscription. Safe to drop.
    pub(super) async fn next(&mut self) -> Option<Result<Arrival, LinkError>> {
        tokio::select! {
            biased;
            Some(outcome) = self.outcomes.next() => Some(outcome),
            Some(message) = self.messages.next() => Some(message),
            else => None,
        }
    }

    /// Subscribes to jobs once more, or ends some, until so many messages may be sent. The
    /// first one stays.
    async fn have_jobs_sent(&mut self, wanted: u16) -> Result<(), lapin::Error> {
        let sum = |jobs: &[Subscription]| jobs.iter().map(|one| one.prefetch).sum::<u16>();
        while self.jobs.len() > 1
            && (sum(&self.jobs) > wanted || self.jobs.len() == TO_JOBS_MAX)
            && let Some(last) = self.jobs.pop()
        {
            cancel(&self.channel, &last).await?;
        }
        let missing = wanted.saturating_sub(sum(&self.jobs));
        if missing > 0 {
            let topology = Arc::clone(&self.topology);
            let (jobs, messages) = self.subscribe(Source::Jobs, &topology.jobs, missing).await?;
            self.messages.push(messages);
            self.jobs.push(jobs);
        }
        Ok(())
    }

    /// Subscribes to `queue`, with a prefetch of its own: each subscription has the one that
    /// was set last before it.
    async fn subscribe(
        &mut self,
        source: Source,
        queue: &str,
        prefetch: u16,
    ) -> Result<(Subscription, Messages), lapin::Error> {
        self.count += 1;
        let name = format!("{queue}.{}", self.count);
        self.channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let table = FieldTable::default();
        let consumer = self.channel.basic_consume(short(queue), short(&name), options, table);
        let messages = consumer.await?.map(move |message| Ok((source, message?)));
        let final_state = Arc::new(AtomicBool::new(false));
        let wanted = Arc::clone(&final_state);
        let end = stream::once(async move { !wanted.load(Ordering::Acquire) })
            .filter_map(|missed| future::ready(missed.then_some(Err(LinkError::Unsubscribed))));
        Ok((Subscription { name, prefetch, final_state }, messages.chain(end).boxed()))
    }
}

async fn cancel(channel: &Channel, subscription: &Subscription) -> Result<(), lapin::Error> {
    subscription.final_state.store(true, Ordering::Release);
    let options = BasicCancelOptions { nowait: false };
    channel.basic_cancel(short(&subscription.name), options).await
}
