//! The accept loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{connection, endpoint::Endpoint, platform::Platform};

/// The pause after a failed accept, such as when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until told to stop.
pub(crate) async fn run(
    listener: TcpListener,
    platform: Arc<Platform>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let slots =
        Arc::new(Semaphore::new(platform.options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if platform.desk(Endpoint::Jscode2session).script.take_reset_on_accept() {
            platform.count_reset_on_accept();
            // Closing with a linger time of zero sends RST instead of FIN.
            drop(stream.set_zero_linger());
            continue;
        }
        drop(stream.set_nodelay(true));
        let (platform, stop) = (Arc::clone(&platform), stop.clone());
        tasks.spawn(async move {
            connection::serve(stream, platform, stop).await;
            drop(slot);
        });
    }
}
