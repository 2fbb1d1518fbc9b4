//! Consuming: one task fetches messages from the table, another writes settlements to it.

use std::sync::Arc;

use tokio::{
    sync::{Mutex, Notify, mpsc},
    time::{Instant, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{fetcher::Fetcher, in_flight::InFlight, settler::Settler};
use crate::{queue::delivery::Delivery, sqlite_file::Database};
use quhao_common::config;

/// What a process that runs jobs gets its deliveries from.
#[derive(Debug)]
pub(super) struct Consumer {
    in_flight: Arc<InFlight>,
    /// Notified when somebody asks for deliveries; nothing is fetched before the first time.
    asked: Arc<Notify>,
    /// Deliveries that were fetched and not handed out.
    buffer: Mutex<mpsc::Receiver<Delivery>>,
    /// Cancelled once nothing more is to be fetched.
    stopping: CancellationToken,
    /// Cancelled once nothing more is settled.
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Consumer {
    /// Starts the two tasks, which hold at most `prefetch_max` messages in flight.
    pub(super) fn start(
        database: &Arc<Database>,
        settings: &config::Queue,
        prefetch_max: u16,
    ) -> Self {
        let prefetch_max = usize::from(prefetch_max.max(1));
        let (settlements, inbox) = mpsc::channel(prefetch_max);
        let (deliver, buffer) = mpsc::channel(prefetch_max);
        let in_flight = Arc::new(InFlight::new(prefetch_max, settlements));
        let asked = Arc::new(Notify::new());
        let stopping = CancellationToken::new();
        let closing = CancellationToken::new();
        let fetcher = Fetcher {
            database: Arc::clone(database),
            in_flight: Arc::clone(&in_flight),
            asked: Arc::clone(&asked),
            deliver,
            delivery_limit: settings.delivery_limit,
            stopping: stopping.clone(),
        };
        let settler = Settler {
            database: Arc::clone(database),
            in_flight: Arc::clone(&in_flight),
            inbox,
            closing: closing.clone(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(fetcher.run());
        tasks.spawn(settler.run());
        Self { in_flight, asked, buffer: Mutex::new(buffer), stopping, closing, tasks }
    }

    /// Returns the next deliveries; `None` once stopped. Safe to drop while waiting.
    pub(super) async fn next(&self, max: usize) -> Option<Vec<Delivery>> {
        self.asked.notify_one();
        let receive = async {
            let mut deliveries = Vec::new();
            self.buffer.lock().await.recv_many(&mut deliveries, max.max(1)).await;
            deliveries
        };
        let deliveries = self.stopping.run_until_cancelled(receive).await?;
        // Empty if the buffer is closed: stopped meanwhile.
        if deliveries.is_empty() { None } else { Some(deliveries) }
    }

    /// Returns how many messages are in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// Stops fetching for good, and frees what was not handed out.
    pub(super) async fn stop(&self) {
        self.stopping.cancel();
        let mut buffer = self.buffer.lock().await;
        buffer.close();
        // A delivery that is dropped is free.
        while buffer.try_recv().is_ok() {}
    }

    /// Stops fetching, and waits until `deadline` for settlements to be written.
    pub(super) async fn close(&self, deadline: Instant) {
        self.stop().await;
        self.closing.cancel();
        self.tasks.close();
        if timeout_at(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!("settlements were not written in time: their jobs are delivered again");
        }
    }
}

/// A queue that is dropped and not closed frees the file for others all the same.
impl Drop for Consumer {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.closing.cancel();
    }
}

/// Wakes the fetcher when dropped, whatever becomes of the caller.
pub(super) struct FetchOnDrop<'a>(pub(super) &'a Consumer);

impl Drop for FetchOnDrop<'_> {
    fn drop(&mut self) {
        self.0.in_flight.wake();
    }
}
