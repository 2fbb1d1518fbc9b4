//! Waiting for something to become true.

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

/// The pause between two polls.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest that a test waits for what should take a second at most: generous, since a busy
/// machine is no defect of the product.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Polls `look` until it finds something, and returns that. Fails the test after `limit`, naming
/// `what`.
pub async fn eventually<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Awaits `future` for up to `limit`, and returns its output. Fails the test after that, naming
/// `what`.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(limit, future).await;
    outcome.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Runs `future` to its end from a place that cannot await, such as a `Drop`, with or without
/// a runtime around it. Gives up after [`PATIENCE`].
pub fn block_on<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let worker = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.ok() })
    });
    worker.join().ok().flatten()
}
