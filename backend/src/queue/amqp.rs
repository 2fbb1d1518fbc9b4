//! RabbitMQ: the queue of the distributed mode.
//!
//! - `topology`, `declaration`: the exchanges and queues, and how they are declared
//! - `connection`: one connection; `supervisor`: keeps one up
//! - `publisher`, `consumer`: the two directions, each with a connection and a task that owns
//!   its channel
//! - `frame`: a message in the broker's form
//! - `mean_jobs`: the broker counts messages, quhao counts jobs

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{
    connection::{CurrentAddress, Endpoint},
    consumer::Consumer,
    direction::Direction,
    error::{LinkError, within},
    mean_jobs::MeanJobs,
    publisher::Publisher,
    supervisor::Supervisor,
    topology::Topology,
};
use super::{
    delivery::Delivery,
    error::{PublishError, QueueError},
    message::Message,
    status::{Depths, LinkStatus, Roles},
};
use quhao_common::config::{self, QueueUrl};

mod direction;
mod error;
mod declaration;
mod topology;
mod connection;
mod supervisor;
mod mean_jobs;
mod frame;
mod publisher;
mod consumer;

pub(super) use self::consumer::receipt::Receipt;

/// A process's two connections to RabbitMQ.
///
/// They are re-established by themselves; opening does not wait for them. Dropping it ends
/// them at once, [`AmqpQueue::close`] in order.
pub struct AmqpQueue {
    topology: Arc<Topology>,
    address: Arc<CurrentAddress>,
    publisher: Option<Publisher>,
    consumer: Option<Consumer>,
    mean_jobs: Arc<MeanJobs>,
    closing: CancellationToken,
    /// The owner tasks.
    tasks: Mutex<JoinSet<()>>,
    /// The time limit of each request to the broker.
    limit: Duration,
}

impl fmt::Debug for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpQueue")
            .field("exchange", &self.topology.exchange)
            .field("publishing", &self.publishing())
            .field("consuming", &self.consuming())
            .finish_non_exhaustive()
    }
}

impl AmqpQueue {
    /// Starts the connections that `roles` asks for. Fails only for settings that can never
    /// work. Must be called inside a Tokio runtime.
    pub(crate) fn open(settings: &config::Queue, roles: Roles) -> Result<Self, QueueError> {
        let topology = Arc::new(Topology::new(settings)?);
        let address = Arc::new(CurrentAddress::new(settings)?);
        let mean_jobs = Arc::new(MeanJobs::new());
        let closing = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let publisher = roles.publish.then(|| {
            let endpoint = Endpoint::new(settings, &address, Direction::Publish);
            let topology = Arc::clone(&topology);
            let supervisor = Supervisor::new(
                Direction::Publish,
                endpoint,
                Arc::clone(&topology),
                closing.clone(),
            );
            Publisher::start(settings, &topology, &mean_jobs, supervisor, &mut tasks)
        });
        let consumer = roles.prefetch_max.map(|prefetch_max| {
            let endpoint = Endpoint::new(settings, &address, Direction::Consume);
            let topology = Arc::clone(&topology);
            let supervisor = Supervisor::new(
                Direction::Consume,
                endpoint,
                Arc::clone(&topology),
                closing.clone(),
            );
            Consumer::start(prefetch_max, topology, &mean_jobs, supervisor, &mut tasks)
        });
        Ok(Self {
            topology,
            address,
            publisher,
            consumer,
            mean_jobs,
            closing,
            tasks: Mutex::new(tasks),
            limit: settings.connect_timeout,
        })
    }

    /// Uses the address in `settings` for new connections.
    pub(super) fn reconfigure(&self, settings: &config::Queue) -> Result<(), QueueError> {
        match &settings.url {
            QueueUrl::Amqp(_) => self.address.replace(settings),
            // Another kind of queue takes a restart.
            QueueUrl::Sqlite(_) => Ok(()),
        }
    }

    /// Publishes a job or an outcome.
    pub(super) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        match &self.publisher {
            Some(publisher) if !self.closing.is_cancelled() => publisher.publish(message).await,
            _ => Err(PublishError::Unavailable),
        }
    }

    /// Returns the next deliveries.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        self.consumer.as_ref()?.next(max).await
    }

    /// Ends the subscriptions for now. Waits for the broker at most as long as for a
    /// connection.
    pub(super) async fn pause_consuming(&self) {
        if let Some(consumer) = &self.consumer {
            self.wait_for_end(consumer.pause()).await;
        }
    }

    /// Subscribes again.
    pub(super) fn resume_consuming(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.resume();
        }
    }

    /// Ends the subscriptions for good. Waits for the broker at most as long as for a
    /// connection.
    pub(super) async fn stop_consuming(&self) {
        if let Some(consumer) = &self.consumer {
            self.wait_for_end(consumer.stop()).await;
        }
    }

    async fn wait_for_end(&self, subscription: impl Future<Output = ()>) {
        if timeout(self.limit, subscription).await.is_err() {
            tracing::warn!(
                "the broker did not end the subscription in time; \
                 buffered deliveries go back when the connection ends"
            );
        }
    }

    /// Sends the settlements that are still here and closes the connections, within `limit`.
    pub(super) async fn close(&self, limit: Duration) {
        if let Some(consumer) = &self.consumer {
            consumer.cancel();
        }
        self.closing.cancel();
        let mut tasks = self.tasks.lock().await;
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(limit, ended).await.is_err() {
            tracing::warn!(
                "the connections to the broker did not close in time and were cut; \
                 what was not settled is delivered again"
            );
            tasks.shutdown().await;
        }
    }

    /// Returns about how many jobs are ready.
    pub(super) async fn depth(&self) -> Result<u64, QueueError> {
        let Topology { jobs, unrouted, .. } = &*self.topology;
        let [jobs, unrouted] = self.ready_messages([jobs, unrouted]).await?;
        Ok(self.mean_jobs.estimate(jobs + unrouted))
    }

    /// Returns about how many jobs, and how many outcomes and dead letters are ready.
    pub(super) async fn depths(&self) -> Result<Depths, QueueError> {
        let Topology { jobs, unrouted, outcomes, dead_letters, .. } = &*self.topology;
        let [jobs, unrouted, outcomes, dead_letters] =
            self.ready_messages([jobs, unrouted, outcomes, dead_letters]).await?;
        Ok(Depths {
            jobs: self.mean_jobs.estimate(jobs),
            unrouted: self.mean_jobs.estimate(unrouted),
            outcomes,
            dead_letters,
        })
    }

    /// Returns how many messages are ready in each of these queues.
    async fn ready_messages<const N: usize>(
        &self,
        queues: [&str; N],
    ) -> Result<[u64; N], QueueError> {
        let asked = match self.connection() {
            Ok(connection) => {
                let counts = topology::ready_messages(&connection, queues);
                within(self.limit, "asking for the depth", counts).await
            }
            Err(cause) => Err(cause),
        };
        asked.map_err(|cause| match cause {
            LinkError::Timeout(_) => QueueError::Timeout,
            cause => QueueError::Unavailable(Box::new(cause)),
        })
    }

    /// Returns a connection to ask over: that of the consumer, which the broker never blocks,
    /// if there is one.
    fn connection(&self) -> Result<Arc<lapin::Connection>, LinkError> {
        if let Some(connection) = self.consumer.as_ref().and_then(Consumer::connection) {
            return Ok(connection);
        }
        match &self.publisher {
            Some(publisher) => publisher.connection(),
            None => Err(LinkError::NotConnected),
        }
    }

    /// Returns the state of publishing.
    pub(super) fn publishing(&self) -> LinkStatus {
        match &self.publisher {
            None => LinkStatus::Down("this process does not publish"),
            Some(_) if self.closing.is_cancelled() => LinkStatus::Down("closed"),
            Some(publisher) => publisher.status(),
        }
    }

    /// Returns the state of consuming.
    pub(super) fn consuming(&self) -> LinkStatus {
        match &self.consumer {
            None => LinkStatus::Down("this process does not take deliveries"),
            Some(_) if self.closing.is_cancelled() => LinkStatus::Down("closed"),
            Some(consumer) => consumer.status(),
        }
    }
}
