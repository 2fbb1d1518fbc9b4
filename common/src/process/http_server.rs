//! The HTTP server of both roles: accepts connections, and drains them.
//!
//! `axum::serve` sets no timer, so that a half-sent header holds a connection for ever, and its
//! graceful shutdown has no limit; hence a loop of our own.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most connections to a metrics listener at once: a few scrapers and probes.
pub const OPS_CONNECTIONS_MAX: usize = 64;
/// Limit of a metrics listener's drain.
pub const OPS_DRAIN: Duration = Duration::from_secs(1);

/// The largest head of a request. Hyper answers a larger one, or one of more than a hundred
/// headers, with a bare 431, so this is well above the limits of the API, which answer with a
/// problem. (The number of headers stays hyper's own: one that is set takes memory for as many
/// with each request, and hyper's is on the stack.)
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// Limit of the time that a client reads nothing of its answer. The limits of requests end with
/// the handler, so without this one such a client would hold a connection for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// The pause after `accept` failed for want of descriptors or memory: some may come free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener with its limits.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    connections_max: usize,
    header_timeout: Duration,
}

impl Listener {
    /// Binds `address` (port 0 takes a free one). An idle connection is kept for
    /// `header_timeout`, too.
    pub async fn bind(
        address: SocketAddr,
        connections_max: usize,
        header_timeout: Duration,
    ) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        let connections_max = connections_max.min(Semaphore::MAX_PERMITS);
        Ok(Self { socket, address, connections_max, header_timeout })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop`, then waits for open requests, for `drain` at most.
    pub async fn serve(self, router: Router, stop: CancellationToken, drain: Duration) {
        let permits = Arc::new(Semaphore::new(self.connections_max));
        let graceful = GracefulShutdown::new();
        let connections = TaskTracker::new();
        let abort = CancellationToken::new();
        // Also aborts when this future is dropped: connections must not outlive it.
        let abort_at_the_end = abort.clone().drop_guard();

        loop {
            let next = async {
                let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
                Some((permit, accept(&self.socket).await))
            };
            let (permit, stream) = tokio::select! {
                () = stop.cancelled() => break,
                next = next => match next {
                    Some(next) => next,
                    None => break,
                },
            };
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(WRITE_TIMEOUT));
            let stream = TokioIo::new(Box::pin(stream));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                // Hyper keeps an idle connection for the same time.
                .header_read_timeout(self.header_timeout)
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(stream, TowerToHyperService::new(router.clone()));
            let connection = graceful.watch(connection);
            let abort = abort.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = abort.cancelled() => {}
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    },
                }
                drop(permit);
            });
        }

        drop(self.socket);
        connections.close();
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                open = connections.len(),
                "draining took too long: closing connections whose requests are not answered"
            );
        }
        drop(abort_at_the_end);
        connections.wait().await;
    }
}

/// Accepts the next connection. An error is either the peer's, which is gone, or a shortage
/// that passes: neither is a reason to stop.
async fn accept(socket: &TcpListener) -> TcpStream {
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                if stream.set_nodelay(true).is_ok() {
                    return stream;
                }
            }
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns whether an error only means that the peer is gone.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
