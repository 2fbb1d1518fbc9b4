//! Waiting for something to become true.

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest that a test waits for what should take a second at most: generous, since a busy
/// machine is no defect of the product. Nothing waits this long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What `look` finds first, at the latest after `limit`; fails the test then, naming `what`.
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

/// What `future` gives, if it does within `limit`; fails the test otherwise.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(limit, future).await;
    outcome.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Runs `future` to its end from a place that cannot wait for one, such as a `Drop`, with
/// or without a runtime around it. Gives up after [`PATIENCE`].
pub fn block_on<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let worker = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.ok() })
    });
    worker.join().ok().flatten()
}
