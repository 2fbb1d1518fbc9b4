//! The queue seam: who carries envelopes from producers to workers.
//!
//! The contract, which one suite checks against every member:
//!
//! - [`Queue::publish`] returns `Ok` once the queue has taken responsibility, durably.
//! - A delivery is handed to one worker at a time, and again (flagged `redelivered`) if
//!   that worker ends without settling it. It may be handed out twice all the same.
//! - What comes back too often is handed out once more as [`Lane::DeadLetters`], and so is what
//!   nobody took in time.
//! - An outcome that was handed over is handed out before jobs.
//! - Settling consumes the delivery, so settling twice does not compile.
//! - [`Queue::next`] waits through outages; the links mend themselves.
//! - An envelope past its `expires_at` may be delivered; the worker judges by the job.

use std::time::Duration;

use quhao_common::{config, domain::id::JobId};

pub mod message;
pub mod delivery;
pub mod error;
pub mod status;
pub mod amqp;
pub mod sqlite;

use self::delivery::Receipt;
pub use self::{
    delivery::{DeadLetterReason, Delivery, Disposition, Lane},
    error::{PublishError, QueueError},
    message::Message,
    status::{Depths, LinkStatus, Roles},
};

/// Which queue carries the envelopes. A closed set, chosen by the URL's scheme.
#[derive(Debug)]
pub enum Queue {
    /// RabbitMQ.
    Amqp(amqp::AmqpQueue),
    /// A table in an SQLite file, for one process.
    Sqlite(sqlite::SqliteQueue),
}

impl Queue {
    /// Publishes `message` and waits, at most as long as configured, until it is safe.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        match self {
            Self::Amqp(queue) => queue.publish(message).await,
            Self::Sqlite(queue) => queue.publish(message).await,
        }
    }

    /// Whether it takes outcomes.
    pub fn can_hand_over(&self) -> bool {
        matches!(self, Self::Amqp(_))
    }

    /// Gives an outcome that this process cannot commit to others, and waits, at most as
    /// long as configured, until it is safe. `body` is what [`quhao_common::envelope::outcome::seal`] made.
    ///
    /// An embedded queue refuses: it lies where the outcome could not be committed.
    pub async fn hand_over(&self, id: JobId, body: Vec<u8>) -> Result<(), PublishError> {
        match self {
            Self::Amqp(queue) => queue.hand_over(id, body).await,
            Self::Sqlite(_) => Err(PublishError::Unavailable),
        }
    }

    /// The next deliveries: at least one, at most `max`. Waits for the first, not for
    /// more. `None` once [`Queue::stop_consuming`] was called. Safe to drop while waiting.
    pub async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        match self {
            Self::Amqp(queue) => queue.next(max).await,
            Self::Sqlite(queue) => queue.next(max).await,
        }
    }

    /// Takes nothing for now: what was fetched but not handed out yet goes back, for others
    /// to take. [`Queue::resume_consuming`] ends it. Deliveries that are out can be settled.
    pub async fn pause_consuming(&self) {
        match self {
            Self::Amqp(queue) => queue.pause_consuming().await,
            // An embedded queue has one process: nobody else could take what it gave back.
            Self::Sqlite(_) => {}
        }
    }

    /// Takes again after [`Queue::pause_consuming`].
    pub fn resume_consuming(&self) {
        match self {
            Self::Amqp(queue) => queue.resume_consuming(),
            Self::Sqlite(_) => {}
        }
    }

    /// Takes no more, for good; what was fetched but not handed out yet goes back. Deliveries that
    /// are out can still be settled.
    pub async fn stop_consuming(&self) {
        match self {
            Self::Amqp(queue) => queue.stop_consuming().await,
            Self::Sqlite(queue) => queue.stop_consuming().await,
        }
    }

    /// Connections from now on go where `settings` say, those that are there stay. An error
    /// changes nothing; an embedded queue stays where it is.
    pub fn reconfigure(&self, settings: &config::Queue) -> Result<(), QueueError> {
        match self {
            Self::Amqp(queue) => queue.reconfigure(settings),
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
    pub fn publishing(&self) -> LinkStatus {
        match self {
            Self::Amqp(queue) => queue.publishing(),
            Self::Sqlite(_) => LinkStatus::Up,
        }
    }

    /// Whether deliveries would reach this process now: subscribed, not merely alive.
    pub fn consuming(&self) -> LinkStatus {
        match self {
            Self::Amqp(queue) => queue.consuming(),
            Self::Sqlite(_) => LinkStatus::Up,
        }
    }
}
