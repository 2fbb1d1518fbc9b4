//! A receiver of callbacks: a real HTTP server that behaves as it is set, and keeps what it
//! received.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::wait::eventually;

/// Largest body that it accepts, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 22;
/// A piece of a long answer.
static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// The way in which it answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers with this status and no body.
    Status(u16),
    /// Answers with this status and a header.
    Header(u16, &'static str, String),
    /// Never answers, and keeps the connection.
    Hang,
    /// Ends the connection without an answer.
    HangUp,
    /// Answers with 200 and a body of so many bytes, as fast as they are read.
    Flood(u64),
    /// Answers with 200 and a body of which only the beginning ever comes.
    Drip,
}

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// When it was received.
    pub at: Instant,
    /// Its first line.
    pub line: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Received {
    /// Returns a header's text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }
}

#[derive(Debug)]
struct State {
    next: VecDeque<Behaviour>,
    otherwise: Behaviour,
    received: Vec<Received>,
    connections: usize,
    /// Bytes of long answers that were read.
    flooded: u64,
}

/// A server on a port of its own. Ends when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// Starts one on 127.0.0.1 that answers everything with 204.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), 0).await
    }

    /// Starts one on this address and port; port 0 stands for any.
    pub async fn start_at(address: IpAddr, port: u16) -> Self {
        Self::try_start_at(address, port).await.expect("a free port")
    }

    /// Starts one on this address and port; `None` if the port is taken, or the machine has no
    /// such address.
    pub async fn try_start_at(address: IpAddr, port: u16) -> Option<Self> {
        let listener = TcpListener::bind((address, port)).await.ok()?;
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            next: VecDeque::new(),
            otherwise: Behaviour::Status(204),
            received: Vec::new(),
            connections: 0,
            flooded: 0,
        }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            // Connections end with their server.
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                lock(&shared).connections += 1;
                serving.spawn(serve(stream, Arc::clone(&shared)));
                while serving.try_join_next().is_some() {}
            }
        });
        Some(Self { address, state, accepting })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of `path` (which begins with `/`) here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets how it answers the next requests, in their order.
    pub fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state().next.extend(behaviours);
    }

    /// Sets how it answers all other requests.
    pub fn otherwise(&self, behaviour: Behaviour) {
        self.state().otherwise = behaviour;
    }

    /// Returns the requests that it received so far.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Returns the requests after the first `count`.
    pub fn received_after(&self, count: usize) -> Vec<Received> {
        self.state().received.iter().skip(count).cloned().collect()
    }

    /// Waits until it has received `count` requests and returns them; fails the test after
    /// `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        eventually(&format!("{count} requests at the receiver"), limit, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }

    /// Returns how many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Returns how many bytes of long answers were read.
    pub fn flooded(&self) -> u64 {
        self.state().flooded
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the requests of one connection, until either side ends it.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    if stream.fill_buf().await.is_ok_and(|bytes| bytes.first() == Some(&TLS_HANDSHAKE)) {
        return refuse_tls(stream).await;
    }
    while let Some(received) = read(&mut stream).await {
        let behaviour = {
            let mut state = lock(&state);
            state.received.push(received);
            state.next.pop_front().unwrap_or_else(|| state.otherwise.clone())
        };
        if answer(stream.get_mut(), behaviour, &state).await.is_none() {
            return;
        }
    }
}

/// Answers a TLS greeting as plain servers do, and lets the client close the connection.
async fn refuse_tls(mut stream: BufReader<TcpStream>) {
    if stream.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.is_ok() {
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    }
}

/// Reads the next request; `None` at the end, or for what is no request.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let line = line(stream).await?;
    let mut headers = Vec::new();
    loop {
        let text = self::line(stream).await?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; Some(length).filter(|length| *length <= BODY_BYTES_MAX)?];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Received { at: Instant::now(), line, headers, body })
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    // The product sends no endless lines.
    let read = stream.read_line(&mut text).await.ok()?;
    (read > 0).then(|| text.trim_end().to_owned())
}

/// Answers a request; returns `None` if that ends the connection.
async fn answer(stream: &mut TcpStream, behaviour: Behaviour, state: &Mutex<State>) -> Option<()> {
    let head = |status: u16, header: &str, length: u64| {
        format!("HTTP/1.1 {status} As-Configured\r\n{header}content-length: {length}\r\n\r\n")
    };
    match behaviour {
        Behaviour::Status(204) => {
            stream.write_all(b"HTTP/1.1 204 As-Configured\r\n\r\n").await.ok()
        }
        Behaviour::Status(status) => stream.write_all(head(status, "", 0).as_bytes()).await.ok(),
        Behaviour::Header(status, name, value) => {
            let header = format!("{name}: {value}\r\n");
            stream.write_all(head(status, &header, 0).as_bytes()).await.ok()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::HangUp => None,
        Behaviour::Flood(bytes) => {
            stream.write_all(head(200, "", bytes).as_bytes()).await.ok()?;
            let mut left = bytes;
            while left > 0 {
                let piece = left.min(PIECE.len() as u64);
                #[expect(clippy::cast_possible_truncation, reason = "a piece at most")]
                stream.write_all(&PIECE[..piece as usize]).await.ok()?;
                lock(state).flooded += piece;
                left -= piece;
            }
            Some(())
        }
        Behaviour::Drip => {
            stream.write_all(head(200, "", 100).as_bytes()).await.ok()?;
            stream.write_all(b"a").await.ok()?;
            std::future::pending().await
        }
    }
}
