//! The long-running tasks of a worker.

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// The tasks that a worker cannot do without. Each ends by itself when the worker drains.
#[derive(Debug)]
pub(crate) struct Tasks {
    /// Commits outcomes; ends after everything that sends it some.
    pub(crate) writer: JoinHandle<()>,
    /// Consumes deliveries.
    pub(crate) consumer: JoinHandle<()>,
    /// Starts quarantined jobs.
    pub(crate) quarantine: JoinHandle<()>,
    /// Sends callbacks.
    pub(crate) callbacks: JoinHandle<()>,
}

impl Tasks {
    /// Waits until a task panics, and returns its name. A task that ends by itself is no reason
    /// to end the worker: it has logged why, and the jobs that it took still run.
    pub(crate) async fn first_failure(&mut self) -> &'static str {
        tokio::select! {
            // While the worker holds a sender, the writer does not end by itself.
            _ = &mut self.writer => "writer",
            () = panicked(&mut self.consumer) => "consumer",
            () = panicked(&mut self.quarantine) => "quarantine",
            () = panicked(&mut self.callbacks) => "callbacks",
        }
    }

    /// Waits until everything has ended, in the order in which work passes through: what starts
    /// `jobs`, the jobs, their writer, and what it makes due.
    pub(crate) async fn finish(&mut self, jobs: &TaskTracker) {
        finished(&mut self.quarantine).await;
        finished(&mut self.consumer).await;
        jobs.close();
        jobs.wait().await;
        // All of them have dropped their senders by now.
        finished(&mut self.writer).await;
        finished(&mut self.callbacks).await;
    }

    /// Aborts all tasks. In this order: slots that the writer frees must not start another job.
    pub(crate) fn abort(&self) {
        self.consumer.abort();
        self.quarantine.abort();
        self.writer.abort();
        self.callbacks.abort();
    }
}

/// Waits until `task` has panicked.
async fn panicked(task: &mut JoinHandle<()>) {
    if task.await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// Waits until `task` has ended, unless that was waited for before.
async fn finished(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
