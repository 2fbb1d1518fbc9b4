//! One connection: HTTP/1.1 with keep-alive, until an answer is an ending.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{lock::locked, platform::Platform, response::Ending, routes::route};

/// The longest wait for the next request: longer than HTTP clients keep idle connections in their pools, so
/// that the client is the one who closes.
const IDLE_LIMIT: Duration = Duration::from_mins(2);
const AGE_LIMIT: Duration = Duration::from_hours(1);
const FINISH_LIMIT: Duration = Duration::from_secs(1);
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// Tells hyper to give up a connection; what happens to it stands in its ending.
#[derive(Debug, thiserror::Error)]
#[error("the script ends this connection")]
struct Ended;

/// What the requests of one connection share.
struct Shared {
    platform: Arc<Platform>,
    stop: CancellationToken,
    ending: Mutex<Option<Ending>>,
}

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, platform: Arc<Platform>, stop: CancellationToken) {
    let shared = Arc::new(Shared { platform, stop: stop.clone(), ending: Mutex::default() });
    let service = service_fn(|request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            route(&shared.platform, request, &shared.stop).await.map_err(|how| {
                *locked(&shared.ending) = Some(how);
                Ended
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
    let ending = locked(&shared.ending).take();
    end(stream, ending).await;
}

/// Ends a connection the way it was told to. What the peer makes of it is not our concern.
async fn end(mut stream: TcpStream, ending: Option<Ending>) {
    match ending {
        None => {}
        // Closing with a linger time of zero sends RST instead of FIN.
        Some(Ending::Reset) => drop(stream.set_zero_linger()),
        Some(Ending::Raw(bytes)) => {
            let _ = timeout(WRITE_LIMIT, stream.write_all(&bytes)).await;
        }
    }
}
