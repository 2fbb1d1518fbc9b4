//! The queue seam: what carries envelopes from producers to workers.
//!
//! The contract, which one test suite checks against every member:
//!
//! - [`Queue::publish`] returns `Ok` once the queue is responsible for the message, durably.
//! - A delivery is handed to one worker at a time. If that worker ends without settling it,
//!   it is handed out again, flagged `redelivered`. It may be handed out twice all the same.
//! - What is delivered too often, or expires before a worker takes it, is handed out once
//!   more as [`Lane::DeadLetters`].
//! - Outcomes that were handed over are handed out before jobs.
//! - Settling consumes the delivery, so settling twice does not compile.
//! - [`Queue::next`] waits through outages; connections are re-established by themselves.
//! - An envelope past its `expires_at` may be delivered; the worker decides by the job.

use std::time::Duration;

use quhao_common::{config, domain::id::JobId};

mod message;
mod disposition;
mod delivery;
mod error;
mod status;
pub(crate) mod amqp;
pub(crate) mod sqlite;

pub use self::{
    delivery::{DeadLetterReason, Delivery, Lane},
    disposition::Disposition,
    error::{PublishError, QueueError},
    message::{Message, MessageKind},
    status::{Depths, LinkStatus, Roles},
};

/// The queue that carries the envelopes. A closed set, chosen by the URL's scheme.
#[derive(Debug)]
pub enum Queue {
    /// RabbitMQ.
    Amqp(amqp::AmqpQueue),
    /// A table in an SQLite file, for one process.
    Sqlite(sqlite::SqliteQueue),
}

/// Makes the same call to whichever queue it is.
macro_rules! each {
    ($queue:expr, $member:ident => $call:expr) => {
        match $queue {
            Queue::Amqp($member) => $call,
            Queue::Sqlite($member) => $call,
        }
    };
}

impl Queue {
    /// Publishes `message` and waits, at most as long as configured, until it is safe.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        each!(self, queue => queue.publish(message).await)
    }

    /// Returns whether outcomes can be handed over.
    pub fn can_hand_over(&self) -> bool {
        matches!(self, Self::Amqp(_))
    }

    /// Publishes an outcome that this process cannot commit, for other workers to commit, and
    /// waits, at most as long as configured, until it is safe. `body` was made by
    /// [`quhao_common::envelope::outcome::seal`].
    ///
    /// An embedded queue refuses: it is in the database that the outcome could not be
    /// committed to.
    pub async fn hand_over(&self, id: JobId, body: Vec<u8>) -> Result<(), PublishError> {
        self.publish(Message { id, body, kind: MessageKind::Outcome }).await
    }

    /// Returns the next deliveries: at least one, at most `max`.
    ///
    /// Waits for the first delivery, but not for more. Returns `None` once
    /// [`Queue::stop_consuming`] was called. Safe to drop while waiting.
    pub async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        each!(self, queue => queue.next(max).await)
    }

    /// Stops fetching deliveries until [`Queue::resume_consuming`]. Those that were fetched
    /// but not handed out go back, for other workers. Those that are out can be settled.
    pub async fn pause_consuming(&self) {
        match self {
            Self::Amqp(queue) => queue.pause_consuming().await,
            // An embedded queue has one process: nobody else could take what went back.
            Self::Sqlite(_) => {}
        }
    }

    /// Fetches deliveries again after [`Queue::pause_consuming`].
    pub fn resume_consuming(&self) {
        match self {
            Self::Amqp(queue) => queue.resume_consuming(),
            Self::Sqlite(_) => {}
        }
    }

    /// Stops fetching deliveries for good. Those that were fetched but not handed out go
    /// back. Those that are out can still be settled.
    pub async fn stop_consuming(&self) {
        each!(self, queue => queue.stop_consuming().await);
    }

    /// Uses the address in `settings` for new connections; those that are open stay. An error
    /// changes nothing. An embedded queue stays where it is.
    pub fn reconfigure(&self, settings: &config::Queue) -> Result<(), QueueError> {
        match self {
            Self::Amqp(queue) => queue.reconfigure(settings),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Sends the settlements that are still here and closes the connections, within `limit`.
    pub async fn close(&self, limit: Duration) {
        each!(self, queue => queue.close(limit).await);
    }

    /// Returns how many jobs are ready to be handed out.
    pub async fn depth(&self) -> Result<u64, QueueError> {
        each!(self, queue => queue.depth().await)
    }

    /// Returns how many jobs, outcomes and dead letters are ready to be handed out.
    pub async fn depths(&self) -> Result<Depths, QueueError> {
        each!(self, queue => queue.depths().await)
    }

    /// Returns the state of publishing: up if a message would be accepted now.
    pub fn publishing(&self) -> LinkStatus {
        match self {
            Self::Amqp(queue) => queue.publishing(),
            Self::Sqlite(_) => LinkStatus::Up,
        }
    }

    /// Returns the state of consuming: up if deliveries would reach this process now, which
    /// takes a subscription and not only a connection.
    pub fn consuming(&self) -> LinkStatus {
        match self {
            Self::Amqp(queue) => queue.consuming(),
            Self::Sqlite(_) => LinkStatus::Up,
        }
    }
}
