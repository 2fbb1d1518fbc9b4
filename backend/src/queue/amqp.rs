//! RabbitMQ: the queue of the distributed mode.
//!
//! - `topology`: exchanges and queues, and how they are declared
//! - `wire`: one connection; `link`: keeping one up
//! - `publisher`, `consumer`: the two directions, each with a connection and a task that
//!   owns its channel; `letter`: what is published, and what goes along with it
//! - `lane`, `buffer`, `receipt`, `outstanding`: deliveries on their way in, settlements on
//!   their way back
//! - `allowance`, `mean_jobs`: the broker counts messages, quhao counts jobs

use std::{fmt, sync::Arc, time::Duration};

use lapin::Connection;
use tokio::{sync::Mutex, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{
    connection::{Address, Endpoint},
    consumer::Consumer,
    error::{LinkError, within},
    frame::Letter,
    mean_jobs::MeanJobs,
    publisher::Publisher,
    supervisor::{Direction, Link, Standing},
    topology::Topology,
};
use super::{
    delivery::Delivery,
    error::{PublishError, QueueError},
    message::Message,
    status::{Depths, LinkStatus, Roles},
};
use quhao_common::{
    config::{self, QueueUrl},
    domain::id::JobId,
};

mod prefetch;
mod buffer;
mod consumer;
mod error;
mod lane;
mod frame;
mod supervisor;
mod mean_jobs;
mod ack_ranges;
mod publisher;
mod receipt;
mod topology;
mod connection;

pub use receipt::Receipt;

/// How often an owner looks after what does not announce itself.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// A process's two links to RabbitMQ. They mend themselves; opening does not wait for
/// them. Dropping it ends them at once, [`AmqpQueue::close`] in order.
pub struct AmqpQueue {
    topology: Arc<Topology>,
    address: Arc<Address>,
    publisher: Option<Publisher>,
    consumer: Option<Consumer>,
    mean_jobs: Arc<MeanJobs>,
    closing: CancellationToken,
    /// The owner tasks.
    tasks: Mutex<JoinSet<()>>,
    limit: Duration,
}

impl fmt::Debug for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpQueue")
            .field("exchange", &self.topology.exchange)
            .field("publishing", &self.publishing())
            .field("taking", &self.consuming())
            .finish_non_exhaustive()
    }
}

impl AmqpQueue {
    /// Starts the links that `roles` asks for. Fails only for settings that can never
    /// work. Must be called inside a Tokio runtime.
    pub fn open(settings: &config::Queue, roles: Roles) -> Result<Self, QueueError> {
        let topology = Arc::new(Topology::new(settings)?);
        let closing = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let address = Arc::new(Address::new(settings)?);
        let mean_jobs = Arc::new(MeanJobs::new());
        let endpoint = |direction| Endpoint::new(settings, &address, direction);
        let publisher = roles.publish.then(|| {
            let (topology, closing) = (topology.clone(), closing.clone());
            let link = Link::new(
                Direction::Publish,
                endpoint(Direction::Publish),
                topology.clone(),
                closing,
            );
            Publisher::start(settings, (&topology, &mean_jobs), link, &mut tasks)
        });
        let consumer = roles.prefetch_max.map(|prefetch_max| {
            let (topology, closing) = (topology.clone(), closing.clone());
            let link = Link::new(
                Direction::Consume,
                endpoint(Direction::Consume),
                topology.clone(),
                closing,
            );
            Consumer::start(prefetch_max, (topology, &mean_jobs), link, &mut tasks)
        });
        let (tasks, limit) = (Mutex::new(tasks), settings.connect_timeout);
        Ok(Self { topology, address, publisher, consumer, mean_jobs, closing, tasks, limit })
    }

    /// See [`crate::queue::Queue::reconfigure`].
    pub fn reconfigure(&self, settings: &config::Queue) -> Result<(), QueueError> {
        match &settings.url {
            QueueUrl::Amqp(_) => self.address.replace(settings),
            // Another kind of queue takes a restart.
            QueueUrl::Sqlite(_) => Ok(()),
        }
    }

    /// See [`crate::queue::Queue::publish`].
    pub async fn publish(&self, parcel: Message) -> Result<(), PublishError> {
        self.send(Letter::Job(parcel)).await
    }

    /// See [`crate::queue::Queue::hand_over`].
    pub async fn hand_over(&self, id: JobId, body: Vec<u8>) -> Result<(), PublishError> {
        self.send(Letter::Outcome { id, body }).await
    }

    async fn send(&self, letter: Letter) -> Result<(), PublishError> {
        match &self.publisher {
            Some(publisher) if !self.closing.is_cancelled() => publisher.publish(letter).await,
            _ => Err(PublishError::Unavailable),
        }
    }

    /// See [`crate::queue::Queue::next`].
    pub async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        self.consumer.as_ref()?.buffer.next(max).await
    }

    /// See [`crate::queue::Queue::pause_consuming`]. Waits for the broker at most as long as for a
    /// connection.
    pub async fn pause_consuming(&self) {
        let Some(consumer) = &self.consumer else { return };
        if timeout(self.limit, consumer.pause()).await.is_err() {
            tracing::warn!("the broker did not end the subscription in time");
        }
    }

    /// See [`crate::queue::Queue::resume_consuming`].
    pub fn resume_consuming(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.buffer.paused.send_replace(false);
        }
    }

    /// See [`crate::queue::Queue::stop_consuming`]. Waits for the broker at most as long as for a
    /// connection.
    pub async fn stop_consuming(&self) {
        let Some(consumer) = &self.consumer else { return };
        if timeout(self.limit, consumer.stop()).await.is_err() {
            tracing::warn!("the broker did not end the subscription in time");
        }
    }

    /// See [`crate::queue::Queue::close`].
    pub async fn close(&self, limit: Duration) {
        if let Some(consumer) = &self.consumer {
            consumer.buffer.stopped.cancel();
        }
        self.closing.cancel();
        let mut tasks = self.tasks.lock().await;
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(limit, ended).await.is_err() {
            tracing::warn!("the links to the broker did not end in time and were cut");
            tasks.shutdown().await;
        }
    }

    /// See [`crate::queue::Queue::depth`].
    pub async fn depth(&self) -> Result<u64, QueueError> {
        let [jobs, unrouted] = self.waiting([&self.topology.jobs, &self.topology.unrouted]).await?;
        Ok(self.mean_jobs.of(jobs + unrouted))
    }

    /// See [`crate::queue::Queue::depths`].
    pub async fn depths(&self) -> Result<Depths, QueueError> {
        let Topology { jobs, unrouted, resume, dead, .. } = &*self.topology;
        let [jobs, unrouted, resume, dead] = self.waiting([jobs, unrouted, resume, dead]).await?;
        let [jobs, unrouted] = [jobs, unrouted].map(|messages| self.mean_jobs.of(messages));
        Ok(Depths { jobs, unrouted, resume, dead })
    }

    /// How many messages are ready in each of these queues.
    async fn waiting<const N: usize>(&self, queues: [&String; N]) -> Result<[u64; N], QueueError> {
        let asked = match self.connection() {
            Ok(connection) => {
                let depth = topology::waiting(&connection, queues);
                within(self.limit, "asking for the depth", depth).await
            }
            Err(cause) => Err(cause),
        };
        asked.map_err(|cause| match cause {
            LinkError::Silent(_) => QueueError::Timeout,
            cause => QueueError::Unavailable(Box::new(cause)),
        })
    }

    /// A connection to ask over: the one that the broker never blocks, if there is one.
    fn connection(&self) -> Result<Arc<Connection>, LinkError> {
        if let Some(consumer) = &self.consumer
            && let Standing::Up(tap) = &*consumer.standing.borrow()
        {
            return Ok(tap.connection.clone());
        }
        let Some(publisher) = &self.publisher else { return Err(LinkError::Absent) };
        match &*publisher.standing.borrow() {
            Standing::Up(lane) if lane.blocked() => Err(LinkError::Blocked),
            Standing::Up(lane) => Ok(lane.connection.clone()),
            Standing::Connecting | Standing::Closed => Err(LinkError::Absent),
        }
    }

    /// See [`crate::queue::Queue::publishing`].
    pub fn publishing(&self) -> LinkStatus {
        let Some(publisher) = &self.publisher else {
            return LinkStatus::Down("this process does not publish");
        };
        if self.closing.is_cancelled() {
            return LinkStatus::Down("closed");
        }
        match &*publisher.standing.borrow() {
            Standing::Up(lane) if lane.blocked() => {
                LinkStatus::Blocked("the broker has blocked publishers (memory or disk alarm)")
            }
            Standing::Up(lane) if lane.connected() => LinkStatus::Up,
            Standing::Up(_) | Standing::Connecting => LinkStatus::Down("connecting to the broker"),
            Standing::Closed => LinkStatus::Down("closed"),
        }
    }

    /// See [`crate::queue::Queue::taking`].
    pub fn consuming(&self) -> LinkStatus {
        let Some(consumer) = &self.consumer else {
            return LinkStatus::Down("this process does not take deliveries");
        };
        if self.closing.is_cancelled() {
            return LinkStatus::Down("closed");
        }
        if consumer.buffer.stopped.is_cancelled() || *consumer.buffer.paused.borrow() {
            return LinkStatus::Down("not subscribed");
        }
        match &*consumer.standing.borrow() {
            Standing::Up(tap) if tap.flows() => LinkStatus::Up,
            Standing::Up(_) | Standing::Connecting => LinkStatus::Down("connecting to the broker"),
            Standing::Closed => LinkStatus::Down("closed"),
        }
    }
}
