//! Listening: one task, one connection of its own, and an inbox.
//!
//! Postgres keeps nothing for a listener that is away, and a silent peer looks like a
//! quiet night. So each connection starts with [`Notification::lost`], and every few seconds
//! the listener tells itself something: what does not come back means a dead line.

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
    notification::{CHANNEL, Notice, heard, marker},
    options::Options,
    sqlstate::Fault,
};
use crate::store::notification::Notification;
use quhao_common::process::backoff::Backoff;

/// Between two markers.
const MARKER_EVERY: Duration = Duration::from_secs(5);
/// How long a marker may take.
const MARKER_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts to connect: the first pause and the longest.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

const TELL: &str = "select pg_notify($1, $2)";

/// The news of one listener. Dropping it ends the listening.
#[derive(Debug)]
pub struct Notifications {
    inbox: Arc<Inbox>,
    task: JoinHandle<()>,
}

impl Notifications {
    /// Starts the task, which ends with the feed or with `closing`.
    pub(super) fn start(
        options: Arc<Options>,
        connect_timeout: Duration,
        closing: CancellationToken,
    ) -> Self {
        let inbox = Arc::new(Inbox::default());
        let line = Line { options, connect_timeout, inbox: Arc::clone(&inbox) };
        let task = tokio::spawn(async move {
            closing.run_until_cancelled_owned(line.keep()).await;
        });
        Self { inbox, task }
    }

    /// The next piece of news: everything that came since the last one. Waits through
    /// outages and reports [`Notification::lost`] after each. Safe to drop while waiting.
    pub async fn next(&mut self) -> Notification {
        loop {
            if let Some(news) = self.inbox.take() {
                return news;
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

/// What was heard and not read yet.
#[derive(Debug, Default)]
struct Inbox {
    unread: Mutex<Option<Notification>>,
    filled: Notify,
}

impl Inbox {
    fn put(&self, news: Notification) {
        {
            let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
            *unread = Some(match unread.take() {
                Some(earlier) => earlier.then(news),
                None => news,
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
enum Lost {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the connection was closed")]
    Closed,
    #[error("what the listener told itself did not come back")]
    Silent,
}

impl From<sqlx::Error> for Lost {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}

struct Line {
    options: Arc<Options>,
    connect_timeout: Duration,
    inbox: Arc<Inbox>,
}

impl Line {
    /// Connects, listens, and does so again for ever.
    async fn keep(&self) {
        let mut failures = 0_u32;
        loop {
            let mut proven = false;
            let lost = match self.connect().await {
                Ok(mut listener) => {
                    self.inbox.put(Notification::lost());
                    self.listen(&mut listener, &mut proven).await
                }
                Err(lost) => lost,
            };
            if proven {
                failures = 0;
            }
            // One warning an outage; waiting requests are answered by polling meanwhile.
            if failures == 0 {
                tracing::warn!(error = %lost, "lost the store's notifications, reconnecting");
            } else {
                tracing::debug!(error = %lost, "the store's notifications are still lost");
            }
            failures = failures.saturating_add(1);
            sleep(BACKOFF.pause(failures, rand::random())).await;
        }
    }

    /// A listener with a connection of its own, so that none of the pool's is held for
    /// good. The driver takes one from a pool only; this one has that connection alone.
    ///
    /// Dropped, a listener says goodbye in a task that nobody can stop. After a silence
    /// that lasts until TCP gives up: a socket an outage, for a quarter of an hour.
    async fn connect(&self) -> Result<PgListener, Lost> {
        let pool: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(self.connect_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(PgConnectOptions::clone(&self.options.limited()));
        let connecting = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        timeout(self.connect_timeout, connecting)
            .await
            .unwrap_or(Err(Fault::Silent(self.connect_timeout).into()))
    }

    /// Hears until the line is lost. `proven` says whether it ever worked.
    async fn listen(&self, listener: &mut PgListener, proven: &mut bool) -> Lost {
        loop {
            let number = rand::random();
            let next = Instant::now() + MARKER_EVERY;
            let tell = sqlx::query(TELL).bind(CHANNEL).bind(marker(number));
            match timeout(MARKER_TIMEOUT, tell.execute(&mut *listener)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Lost::Silent,
            }
            if let Err(lost) = self.hear(listener, number, next).await {
                return lost;
            }
            if !*proven {
                *proven = true;
                tracing::info!("the store's notifications come in");
            }
        }
    }

    /// Hears until the marker came back and `next` has come.
    async fn hear(
        &self,
        listener: &mut PgListener,
        number: u64,
        next: Instant,
    ) -> Result<(), Lost> {
        let latest = Instant::now() + MARKER_TIMEOUT;
        let mut returned = false;
        loop {
            let until = if returned { next } else { latest };
            match timeout_at(until, listener.try_recv()).await {
                Err(_) if returned => return Ok(()),
                Err(_) => return Err(Lost::Silent),
                Ok(Err(error)) => return Err(error.into()),
                Ok(Ok(None)) => return Err(Lost::Closed),
                Ok(Ok(Some(notification))) => match heard(notification.payload()) {
                    Notice::Marker(heard) => returned |= heard == number,
                    Notice::Commit(told, throughput) => {
                        self.inbox.put(Notification::of(told, throughput));
                    }
                },
            }
        }
    }
}
