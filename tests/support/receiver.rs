//! A receiver of callbacks: a real HTTP server that behaves as it is told, and keeps what
//! it was sent.

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

/// Largest body that it takes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The first byte of a TLS connection.
const TLS_HANDSHAKE: u8 = 22;
/// A piece of a long answer.
static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// What it does with a request.
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
    /// Answers with 200 and a body of so many bytes, as fast as they are taken.
    Flood(u64),
    /// Answers with 200 and a body of which only the beginning ever comes.
    Drip,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Its first line.
    pub line: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Received {
    /// A header's text; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body of JSON")
    }
}

#[derive(Debug)]
struct Diary {
    next: VecDeque<Behaviour>,
    otherwise: Behaviour,
    received: Vec<Received>,
    connections: usize,
    /// Bytes of long answers that were taken.
    flooded: u64,
}

/// A server on a port of its own. Ends when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    diary: Arc<Mutex<Diary>>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// One on 127.0.0.1 that answers everything with 204.
    pub async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), 0).await
    }

    /// One on this address and port; port 0 stands for any.
    pub async fn start_at(address: IpAddr, port: u16) -> Self {
        Self::try_start_at(address, port).await.expect("a free port")
    }

    /// The same; `None` if the port is taken there, or the machine has no such address.
    pub async fn try_start_at(address: IpAddr, port: u16) -> Option<Self> {
        let listener = TcpListener::bind((address, port)).await.ok()?;
        let address = listener.local_addr().expect("an address");
        let diary = Arc::new(Mutex::new(Diary {
            next: VecDeque::new(),
            otherwise: Behaviour::Status(204),
            received: Vec::new(),
            connections: 0,
            flooded: 0,
        }));
        let shared = Arc::clone(&diary);
        let accepting = tokio::spawn(async move {
            // Connections end with their server.
            let mut serving = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                lock(&shared).connections += 1;
                serving.spawn(serve(stream, Arc::clone(&shared)));
                while serving.try_join_next().is_some() {}
            }
        });
        Some(Self { address, diary, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of `path` (which begins with `/`) here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it does with the next requests, in their order.
    pub fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.diary().next.extend(behaviours);
    }

    /// What it does with all others.
    pub fn otherwise(&self, behaviour: Behaviour) {
        self.diary().otherwise = behaviour;
    }

    /// What it was sent so far.
    pub fn received(&self) -> Vec<Received> {
        self.diary().received.clone()
    }

    /// The same without the first `count` requests.
    pub fn received_after(&self, count: usize) -> Vec<Received> {
        self.diary().received.iter().skip(count).cloned().collect()
    }

    /// What it was sent, as soon as that are `count` requests; fails the test after `limit`.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        eventually(&format!("{count} requests at the receiver"), limit, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.diary().connections
    }

    /// Bytes of long answers that were taken.
    pub fn flooded(&self) -> u64 {
        self.diary().flooded
    }

    fn diary(&self) -> MutexGuard<'_, Diary> {
        lock(&self.diary)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the requests of one connection, until either side ends it.
async fn serve(stream: TcpStream, diary: Arc<Mutex<Diary>>) {
    let mut stream = BufReader::new(stream);
    if stream.fill_buf().await.is_ok_and(|bytes| bytes.first() == Some(&TLS_HANDSHAKE)) {
        return refuse_tls(stream).await;
    }
    while let Some(received) = read(&mut stream).await {
        let behaviour = {
            let mut diary = lock(&diary);
            diary.received.push(received);
            diary.next.pop_front().unwrap_or_else(|| diary.otherwise.clone())
        };
        if answer(stream.get_mut(), behaviour, &diary).await.is_none() {
            return;
        }
    }
}

/// Says what plain servers say to who greets them in TLS, and lets them hang up.
async fn refuse_tls(mut stream: BufReader<TcpStream>) {
    if stream.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.is_ok() {
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
    }
}

/// The next request; `None` at the end, or for what is no request.
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
    // A test's own client sends no endless lines.
    let read = stream.read_line(&mut text).await.ok()?;
    (read > 0).then(|| text.trim_end().to_owned())
}

/// Does it; `None` if that ends the connection.
async fn answer(stream: &mut TcpStream, behaviour: Behaviour, diary: &Mutex<Diary>) -> Option<()> {
    let head = |status: u16, header: &str, length: u64| {
        format!("HTTP/1.1 {status} As-FinishedJobs\r\n{header}content-length: {length}\r\n\r\n")
    };
    match behaviour {
        Behaviour::Status(204) => {
            stream.write_all(b"HTTP/1.1 204 As-FinishedJobs\r\n\r\n").await.ok()
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
                lock(diary).flooded += piece;
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
