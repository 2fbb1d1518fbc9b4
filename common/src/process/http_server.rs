//! HTTP for both roles: accepting connections, and letting them go.
//!
//! `axum::serve` sets no timer, so that a half-sent header holds a connection for ever,
//! and its graceful shutdown knows no limit; hence a loop of our own.

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

/// Connections to a metrics listener at once: a few scrapers and probes.
pub const OPS_CONNECTIONS_MAX: usize = 64;
/// How long a metrics listener may take to finish.
pub const OPS_DRAIN: Duration = Duration::from_secs(1);

/// Hyper answers what exceeds this, or has more than a hundred headers, with a bare 431: well
/// above the limits of the API, which answer with a problem. (A number of headers that is set
/// takes memory for as many with each request; its own has a place on the stack.)
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// How long a client may read nothing while it is owed an answer. The limits of requests
/// end with the handler, so without this one such a client keeps its seat for ever.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// After `accept` failed for want of descriptors or memory: time for some to come free.
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
    /// Binds `address` (port 0 takes a free one). `header_timeout` is also how long an idle
    /// connection is kept.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `stop`, then waits for open requests, at most `drain`.
    pub async fn serve(self, router: Router, stop: CancellationToken, drain: Duration) {
        let seats = Arc::new(Semaphore::new(self.connections_max));
        let graceful = GracefulShutdown::new();
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        // Also when this future is dropped: connections must not outlive it.
        let cut_at_the_end = cut.clone().drop_guard();

        loop {
            let next = async {
                let seat = Arc::clone(&seats).acquire_owned().await.ok()?;
                Some((seat, accept(&self.socket).await))
            };
            let (seat, stream) = tokio::select! {
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
                // Also the time that an idle connection is kept.
                .header_read_timeout(self.header_timeout)
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(stream, TowerToHyperService::new(router.clone()));
            let connection = graceful.watch(connection);
            let cut = cut.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = cut.cancelled() => {}
                    ended = connection => if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    },
                }
                drop(seat);
            });
        }

        drop(self.socket);
        connections.close();
        if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(open = connections.len(), "connections are cut: draining took too long");
        }
        drop(cut_at_the_end);
        connections.wait().await;
    }
}

/// The next connection. Errors are either the peer's, who is gone, or a shortage that
/// passes: neither is a reason to stop.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if stream.set_nodelay(true).is_ok() {
                    return stream;
                }
            }
            Err(error) if is_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
