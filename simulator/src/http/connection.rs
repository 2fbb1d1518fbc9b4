//! A connection: HTTP/1.1 with keep-alive, until the client or a call's script closes it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::response::Disconnect;
use super::routes::route;
use crate::world::platform::Platform;

/// The longest wait for the next request: longer than HTTP clients keep idle connections in their
/// pools, so that it is the client that closes.
const IDLE_LIMIT: Duration = Duration::from_mins(2);
const AGE_LIMIT: Duration = Duration::from_hours(1);
const FINISH_LIMIT: Duration = Duration::from_secs(1);
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// The error that makes hyper stop serving a connection. How it is closed is in [`Shared`].
#[derive(Debug, thiserror::Error)]
#[error("the script closes this connection")]
struct Closed;

/// The state that the requests of one connection share.
struct Shared {
    platform: Arc<Platform>,
    stop: CancellationToken,
    disconnect: Mutex<Option<Disconnect>>,
}

/// Serves a connection until it is closed.
pub(crate) async fn serve(stream: TcpStream, platform: Arc<Platform>, stop: CancellationToken) {
    let shared = Arc::new(Shared { platform, stop: stop.clone(), disconnect: Mutex::default() });
    let service = service_fn(|request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            route(&shared.platform, request, &shared.stop).await.map_err(|disconnect| {
                *shared.disconnect.lock() = Some(disconnect);
                Closed
            })
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let finished = tokio::select! {
        _ = poll_fn(|context| connection.poll_without_shutdown(context)) => true,
        () = stop.cancelled() => false,
        () = tokio::time::sleep(AGE_LIMIT) => false,
    };
    if !finished {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = timeout(FINISH_LIMIT, poll_fn(|context| connection.poll_without_shutdown(context)))
            .await;
    }
    let stream = connection.into_parts().io.into_inner();
    let disconnect = shared.disconnect.lock().take();
    close(stream, disconnect).await;
}

/// Closes a connection as the script says. It does not matter whether the client gets the bytes.
async fn close(mut stream: TcpStream, disconnect: Option<Disconnect>) {
    match disconnect {
        None => {}
        // Closing with a linger time of zero sends RST instead of FIN.
        Some(Disconnect::Reset) => drop(stream.set_zero_linger()),
        Some(Disconnect::After(bytes)) => {
            let _ = timeout(WRITE_LIMIT, stream.write_all(&bytes)).await;
        }
    }
}
