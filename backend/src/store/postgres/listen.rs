//! Listens for notifications: one task, one connection of its own, and an inbox.
//!
//! Postgres keeps no notifications for a listener that is not connected, and a peer that is gone
//! looks like one that has nothing to send. So each connection starts with
//! [`Notification::gap`], and every few seconds the listener sends itself a marker: if that does
//! not come back, the connection is dead.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    notification::{CHANNEL, Payload, marker, read},
    options::Options,
    sqlstate::PgError,
};
use crate::store::notification::Notification;
use quhao_common::process::backoff::Backoff;

/// The time between two markers.
const MARKER_INTERVAL: Duration = Duration::from_secs(5);
/// How long a marker may take to come back.
const MARKER_TIMEOUT: Duration = Duration::from_secs(5);
/// The pauses between two attempts to connect.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

const NOTIFY: &str = "select pg_notify($1, $2)";

/// The notifications of one listener. Dropping it ends the task.
#[derive(Debug)]
pub struct Notifications {
    inbox: Arc<Inbox>,
    task: JoinHandle<()>,
}

impl Notifications {
    /// Starts the task, which ends with the notifications or with `closing`.
    pub(super) fn start(
        options: Arc<Options>,
        connect_timeout: Duration,
        closing: CancellationToken,
    ) -> Self {
        let inbox = Arc::new(Inbox::default());
        let task = ListenTask { options, connect_timeout, inbox: Arc::clone(&inbox) };
        let task = tokio::spawn(async move {
            closing.run_until_cancelled_owned(task.run()).await;
        });
        Self { inbox, task }
    }

    /// Waits for the next notification: everything that came since the last one. Waits through
    /// outages and returns [`Notification::gap`] after each. Safe to drop while waiting.
    pub(crate) async fn next(&mut self) -> Notification {
        loop {
            if let Some(notification) = self.inbox.take() {
                return notification;
            }
            self.inbox.filled.notified().await;
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was received and not read yet.
#[derive(Debug, Default)]
struct Inbox {
    unread: Mutex<Option<Notification>>,
    filled: Notify,
}

impl Inbox {
    fn put(&self, notification: Notification) {
        {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            *unread = Some(match unread.take() {
                Some(earlier) => earlier.merge(notification),
                None => notification,
            });
        }
        self.filled.notify_one();
    }

    fn take(&self) -> Option<Notification> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum ListenError {
    #[error(transparent)]
    Postgres(#[from] PgError),
    #[error("the connection was closed")]
    Closed,
    #[error("the listener's own marker did not come back")]
    Timeout,
}

impl From<sqlx::Error> for ListenError {
    fn from(error: sqlx::Error) -> Self {
        PgError::from(error).into()
    }
}

/// The state of the task.
struct ListenTask {
    options: Arc<Options>,
    connect_timeout: Duration,
    inbox: Arc<Inbox>,
}

impl ListenTask {
    /// Connects and listens, again and again.
    async fn run(&self) {
        let mut failures = 0_u32;
        loop {
            let mut has_worked = false;
            let error = match self.connect().await {
                Ok(mut connection) => {
                    self.inbox.put(Notification::gap());
                    self.listen(&mut connection, &mut has_worked).await
                }
                Err(error) => error,
            };
            if has_worked {
                failures = 0;
            }
            // One warning an outage.
            if failures == 0 {
                tracing::warn!(
                    %error,
                    "lost the store's notifications; waiting requests are answered by polling; \
                     reconnecting"
                );
            } else {
                tracing::debug!(%error, "the store's notifications are still lost");
            }
            failures = failures.saturating_add(1);
            sleep(BACKOFF.pause(failures, rand::random())).await;
        }
    }

    /// Connects, with a connection of the listener's own, so that none of the pool's is in use
    /// for good. The driver takes one from a pool only; this pool has that connection alone.
    ///
    /// A listener that is dropped closes its connection in a task that nobody can stop. If the
    /// peer does not answer, that lasts until TCP gives up: a socket an outage, for a quarter of
    /// an hour.
    async fn connect(&self) -> Result<PgListener, ListenError> {
        let pool: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(self.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(PgConnectOptions::clone(&self.options.limited()));
        let connecting = async {
            let mut connection = PgListener::connect_with(&pool).await?;
            connection.eager_reconnect(false);
            connection.listen(CHANNEL).await?;
            Ok(connection)
        };
        timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or(Err(PgError::Timeout(self.connect_timeout).into()))
    }

    /// Receives until the connection fails. Sets `has_worked` once a marker has come back.
    async fn listen(&self, connection: &mut PgListener, has_worked: &mut bool) -> ListenError {
        loop {
            let number = rand::random();
            let next_marker_at = Instant::now() + MARKER_INTERVAL;
            let notify = sqlx::query(NOTIFY).bind(CHANNEL).bind(marker(number));
            match timeout(MARKER_TIMEOUT, notify.execute(&mut *connection)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return ListenError::Timeout,
            }
            if let Err(error) = self.receive(connection, number, next_marker_at).await {
                return error;
            }
            if !*has_worked {
                *has_worked = true;
                tracing::info!("the store's notifications arrive");
            }
        }
    }

    /// Receives until the marker has come back and it is time for the next one.
    async fn receive(
        &self,
        connection: &mut PgListener,
        number: u64,
        next_marker_at: Instant,
    ) -> Result<(), ListenError> {
        let deadline = Instant::now() + MARKER_TIMEOUT;
        let mut has_returned = false;
        loop {
            let until = if has_returned { next_marker_at } else { deadline };
            let notification = match timeout_at(until, connection.try_recv()).await {
                Err(_) if has_returned => return Ok(()),
                Err(_) => return Err(ListenError::Timeout),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(None)) => return Err(ListenError::Closed),
                Ok(Ok(Some(notification))) => notification,
            };
            match read(notification.payload()) {
                Payload::Marker(received) => has_returned |= received == number,
                Payload::Commit { finished, throughput } => {
                    self.inbox.put(Notification::of_commit(finished, throughput));
                }
            }
        }
    }
}
