//! The queue seam: who carries envelopes from producers to workers.
//!
//! The contract, which one suite checks against every member:
//!
//! - [`Queue::publish`] returns `Ok` once the queue has taken responsibility, durably.
//! - A delivery is handed to one worker at a time, and again (flagged `redelivered`) if
//!   that worker ends without settling it. It may be handed out twice all the same.
//! - What comes back too often is handed out once more as [`Lane::Dead`], and so is what
//!   nobody took in time.
//! - An outcome that was handed over is handed out before jobs.
//! - Settling consumes the delivery, so settling twice does not compile.
//! - [`Queue::next`] waits through outages; the links mend themselves.
//! - An envelope past its `expires_at` may be delivered; the worker judges by the job.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{config, id::JobId};

pub mod amqp;
pub mod delivery;
pub mod sqlite;

use self::delivery::Receipt;
pub use self::delivery::{Death, Delivery, Lane, Verdict};

/// One envelope to be carried.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Whose it is. Only its tagless form goes along outside the body.
    pub id: JobId,
    /// What [`crate::envelope::seal`] made.
    pub body: Vec<u8>,
    /// After this nobody needs to work on it.
    pub expires_at: OffsetDateTime,
    /// W3C trace context, carried beside the body.
    pub traceparent: Option<String>,
}

/// Why an envelope was not taken, or not surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The queue is at its limit: refused, surely not stored.
    #[error("the queue is full")]
    Full,
    /// There is no link, or the queue has asked producers to stop: surely not stored.
    #[error("the queue is out of reach")]
    Unavailable,
    /// Sent, but no answer came in time: may be stored, may be not. Publishing the same
    /// again is safe, since it is the same job.
    #[error("the queue did not confirm in time")]
    Unconfirmed,
}

impl PublishError {
    /// The value of its metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unavailable => "unavailable",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

/// Why the queue could not be opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The setting is not usable.
    #[error("the queue's settings are not usable: {0}")]
    Settings(String),
    /// There is no link.
    #[error("the queue is out of reach: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("the queue did not answer in time")]
    Timeout,
}

/// What this process does with the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Whether it publishes jobs or hands outcomes over.
    pub publish: bool,
    /// Whether it takes deliveries, and how many it holds unsettled at most.
    pub take_max: Option<u16>,
}

/// How many envelopes wait, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depths {
    /// Jobs, to be worked on.
    pub jobs: u64,
    /// Jobs that no binding wanted: they are worked on all the same.
    pub unrouted: u64,
    /// Outcomes, to be committed.
    pub resume: u64,
    /// What was set aside.
    pub dead: u64,
}

/// How one direction of the queue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Working.
    Up,
    /// Working, but whoever publishes was asked to wait, in words for an operator. So was
    /// every other process.
    Held(&'static str),
    /// Not working, in words for an operator.
    Down(&'static str),
}

/// Which queue carries the envelopes. A closed set, chosen by the URL's scheme.
#[derive(Debug)]
pub enum Queue {
    /// RabbitMQ.
    Amqp(amqp::AmqpQueue),
    /// A table in an SQLite file, for one process.
    Sqlite(sqlite::SqliteQueue),
}

impl Queue {
    /// Publishes `parcel` and waits, at most as long as configured, until it is safe.
    pub async fn publish(&self, parcel: Parcel) -> Result<(), PublishError> {
        match self {
            Self::Amqp(queue) => queue.publish(parcel).await,
            Self::Sqlite(queue) => queue.publish(parcel).await,
        }
    }

    /// Whether it takes outcomes.
    pub fn hands_over(&self) -> bool {
        matches!(self, Self::Amqp(_))
    }

    /// Gives an outcome that this process cannot commit to others, and waits, at most as
    /// long as configured, until it is safe. `body` is what [`crate::resume::seal`] made.
    ///
    /// An embedded queue refuses: it lies where the outcome could not be committed.
    pub async fn hand_over(&self, id: JobId, body: Vec<u8>) -> Result<(), PublishError> {
        match self {
            Self::Amqp(queue) => queue.hand_over(id, body).await,
            Self::Sqlite(_) => Err(PublishError::Unavailable),
        }
    }

    /// The next deliveries: at least one, at most `max`. Waits for the first, not for
    /// more. `None` once [`Queue::stop_taking`] was called. Safe to drop while waiting.
    pub async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        match self {
            Self::Amqp(queue) => queue.next(max).await,
            Self::Sqlite(queue) => queue.next(max).await,
        }
    }

    /// Takes nothing for now: what was fetched but not handed out yet goes back, for others
    /// to take. [`Queue::resume_taking`] ends it. Deliveries that are out can be settled.
    pub async fn pause_taking(&self) {
        match self {
            Self::Amqp(queue) => queue.pause_taking().await,
            // An embedded queue has one process: nobody else could take what it gave back.
            Self::Sqlite(_) => {}
        }
    }

    /// Takes again after [`Queue::pause_taking`].
    pub fn resume_taking(&self) {
        match self {
            Self::Amqp(queue) => queue.resume_taking(),
            Self::Sqlite(_) => {}
        }
    }

    /// Takes no more, for good; what was fetched but not handed out yet goes back. Deliveries that
    /// are out can still be settled.
    pub async fn stop_taking(&self) {
        match self {
            Self::Amqp(queue) => queue.stop_taking().await,
            Self::Sqlite(queue) => queue.stop_taking().await,
        }
    }

    /// Connections from now on go where `settings` say, those that are there stay. An error
    /// changes nothing; an embedded queue stays where it is.
    pub fn retell(&self, settings: &config::Queue) -> Result<(), QueueError> {
        match self {
            Self::Amqp(queue) => queue.retell(settings),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Sends the settlements that are still here and ends the links, within `limit`.
    pub async fn close(&self, limit: Duration) {
        match self {
            Self::Amqp(queue) => queue.close(limit).await,
            Self::Sqlite(queue) => queue.close(limit).await,
        }
    }

    /// How many jobs wait to be taken.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        match self {
            Self::Amqp(queue) => queue.depth().await,
            Self::Sqlite(queue) => queue.depth().await,
        }
    }

    /// The same, and what else waits.
    pub async fn depths(&self) -> Result<Depths, QueueError> {
        match self {
            Self::Amqp(queue) => queue.depths().await,
            Self::Sqlite(queue) => queue.depths().await,
        }
    }

    /// Whether submits would be taken now.
    pub fn publishing(&self) -> Link {
        match self {
            Self::Amqp(queue) => queue.publishing(),
            Self::Sqlite(_) => Link::Up,
        }
    }

    /// Whether deliveries would reach this process now: subscribed, not merely alive.
    pub fn taking(&self) -> Link {
        match self {
            Self::Amqp(queue) => queue.taking(),
            Self::Sqlite(_) => Link::Up,
        }
    }
}
