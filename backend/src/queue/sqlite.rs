//! The embedded queue: a table in an SQLite file that one process has for itself.
//!
//! Because the file has one process, who works on what need not be written down: the ids
//! that are out are a set in memory. A live worker can never get its own running job
//! again, and when the process ends, however it ends, everything it held is free. So
//! there are no leases with a time, nothing to renew, and handing a delivery back costs no
//! write. What is on disk is only how often an envelope was handed out: that tells a
//! redelivery, and ends a job that kills the process each time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify, Semaphore, TryAcquireError, mpsc},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::in_flight::Held;
pub use self::in_flight::Receipt;
use super::{
    delivery::Delivery,
    error::{PublishError, QueueError},
    message::Message,
    status::{Depths, Roles},
};
use crate::sqlite_file::{Database, DatabaseError};
use quhao_common::{config, process::metrics};

mod in_flight;
mod rows;
mod settler;
mod taker;

#[cfg(test)]
mod tests;

/// The queue in an SQLite file. Its table comes with the schema: see
/// [`Database::migrate`].
#[derive(Debug)]
pub struct SqliteQueue {
    database: Arc<Database>,
    publishes: bool,
    confirm_timeout: Duration,
    length_max: i64,
    window: Semaphore,
    taking: Option<Taking>,
    closed: AtomicBool,
}

/// What a process that works on jobs has.
#[derive(Debug)]
struct Taking {
    held: Arc<Held>,
    /// Somebody has asked for the next deliveries: before that nothing is taken.
    asked: Arc<Notify>,
    /// What was taken and is not handed out yet.
    buffer: Mutex<mpsc::Receiver<Delivery>>,
    /// No more is taken.
    stopping: CancellationToken,
    /// No more is settled.
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl SqliteQueue {
    /// A queue in `database`. Must be called inside a Tokio runtime.
    pub fn open(database: Arc<Database>, settings: &config::Queue, roles: Roles) -> Self {
        database.enter();
        let taking =
            roles.prefetch_max.map(|prefetch_max| Taking::start(&database, settings, prefetch_max));
        Self {
            database,
            publishes: roles.publish,
            confirm_timeout: settings.confirm_timeout,
            length_max: i64::try_from(settings.length_max).unwrap_or(i64::MAX),
            window: Semaphore::new(settings.publish_window.clamp(1, Semaphore::MAX_PERMITS)),
            taking,
            closed: AtomicBool::new(false),
        }
    }

    /// See [`crate::queue::Queue::publish`]. The body carries the trace context already.
    pub async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let started = Instant::now();
        let published = self.insert(message).await;
        match published {
            Ok(()) => metrics::confirmed(started.elapsed()),
            Err(refusal) => metrics::publish_refused(refusal.as_str()),
        }
        published
    }

    async fn insert(&self, message: Message) -> Result<(), PublishError> {
        if !self.publishes {
            return Err(PublishError::Unavailable);
        }
        let _place = self.window.try_acquire().map_err(|error| match error {
            TryAcquireError::NoPermits => PublishError::Full,
            TryAcquireError::Closed => PublishError::Unavailable,
        })?;
        // Also when the caller goes away meanwhile: the commit may happen all the same.
        let _wake = self.taking.as_ref().map(|taking| WakeOnDrop(&taking.held));
        let length_max = self.length_max;
        let inserted = self
            .database
            .write(self.confirm_timeout, move |connection| {
                Box::pin(rows::insert(connection, message, length_max))
            })
            .await;
        match inserted {
            Ok(true) => Ok(()),
            Ok(false) => Err(PublishError::Full),
            Err(DatabaseError::Timeout | DatabaseError::Transaction(_)) => {
                Err(PublishError::Unconfirmed)
            }
            Err(error) => {
                tracing::warn!(%error, "a publish failed");
                Err(PublishError::Unavailable)
            }
        }
    }

    /// See [`crate::queue::Queue::next`].
    pub async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        let taking = self.taking.as_ref()?;
        taking.asked.notify_one();
        let receive = async {
            let mut deliveries = Vec::new();
            taking.buffer.lock().await.recv_many(&mut deliveries, max.max(1)).await;
            deliveries
        };
        let deliveries = taking.stopping.run_until_cancelled(receive).await?;
        // Empty when the buffer is closed: stopped meanwhile.
        (!deliveries.is_empty()).then_some(deliveries)
    }

    /// See [`crate::queue::Queue::stop_consuming`].
    pub async fn stop_consuming(&self) {
        if let Some(taking) = &self.taking {
            taking.stop().await;
        }
    }

    /// See [`crate::queue::Queue::close`].
    pub async fn close(&self, limit: Duration) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let deadline = Instant::now() + limit;
        self.window.close();
        if let Some(taking) = &self.taking {
            taking.stop().await;
            taking.closing.cancel();
            taking.tasks.close();
            if timeout_at(deadline, taking.tasks.wait()).await.is_err() {
                tracing::warn!("settlements were not written in time: they are worked on again");
            }
        }
        self.database.leave(deadline.saturating_duration_since(Instant::now())).await;
    }

    /// See [`crate::queue::Queue::depth`].
    pub async fn depth(&self) -> Result<u64, QueueError> {
        let length = self
            .database
            .read(self.confirm_timeout, |connection| Box::pin(rows::length(connection)))
            .await?;
        let out = self.taking.as_ref().map_or(0, |taking| taking.held.count());
        Ok(u64::try_from(length).unwrap_or(0).saturating_sub(out as u64))
    }

    /// See [`crate::queue::Queue::depths`]. There are no outcomes on their way, and no bindings
    /// that a job could miss.
    pub async fn depths(&self) -> Result<Depths, QueueError> {
        let jobs = self.depth().await?;
        let aside = self
            .database
            .read(self.confirm_timeout, |connection| Box::pin(rows::aside(connection)))
            .await?;
        Ok(Depths { jobs, dead: u64::try_from(aside).unwrap_or(0), ..Depths::default() })
    }
}

impl Taking {
    fn start(database: &Arc<Database>, settings: &config::Queue, prefetch_max: u16) -> Self {
        let prefetch_max = usize::from(prefetch_max.max(1));
        let (settlements, inbox) = mpsc::channel(prefetch_max);
        let (deliver, buffer) = mpsc::channel(prefetch_max);
        let held = Arc::new(Held::new(prefetch_max, settlements));
        let asked = Arc::new(Notify::new());
        let (stopping, closing) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        tasks.spawn(
            taker::Taker {
                database: Arc::clone(database),
                held: Arc::clone(&held),
                asked: Arc::clone(&asked),
                deliver,
                delivery_limit: settings.delivery_limit,
                stopping: stopping.clone(),
            }
            .run(),
        );
        tasks.spawn(
            settler::Settler {
                database: Arc::clone(database),
                held: Arc::clone(&held),
                inbox,
                closing: closing.clone(),
            }
            .run(),
        );
        Self { held, asked, buffer: Mutex::new(buffer), stopping, closing, tasks }
    }

    async fn stop(&self) {
        self.stopping.cancel();
        let mut buffer = self.buffer.lock().await;
        buffer.close();
        // A delivery that is dropped is free.
        while buffer.try_recv().is_ok() {}
    }
}

/// A queue that is dropped and not closed leaves the file to others all the same.
impl Drop for Taking {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.closing.cancel();
    }
}

/// Tells the taker to look, whatever becomes of the caller.
struct WakeOnDrop<'a>(&'a Held);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl From<DatabaseError> for QueueError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::File { .. } | DatabaseError::InUse(_) => {
                Self::Settings(error.to_string())
            }
            DatabaseError::Timeout => Self::Timeout,
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
