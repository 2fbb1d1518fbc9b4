//! The accept loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use crate::wechat::endpoint::Endpoint;
use crate::world::platform::Platform;

/// The pause after a failed accept, for example without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until `stop` is cancelled.
pub(crate) async fn run(
    listener: TcpListener,
    platform: Arc<Platform>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let connections_max = platform.options.connections_max.clamp(1, Semaphore::MAX_PERMITS);
    let slots = Arc::new(Semaphore::new(connections_max));
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
        let frontend = platform.frontend(Endpoint::Jscode2session);
        if frontend.script.take_reset_on_accept() {
            frontend.call_log.log_reset_on_accept();
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
