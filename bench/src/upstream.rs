//! The platform of the benches: answers `jscode2session` as documented, after a time that is
//! set, and does nothing else. It shares the processors with what is measured; the simulator,
//! which checks and keeps everything, would cost more than the worker.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use url::form_urlencoded::byte_serialize;

use crate::{http, latencies::Latencies};

/// Longest request: those of quhao have some 200 bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

/// Characters of an openid after its `o`.
const OPENID_CHARACTERS: usize = 27;

/// A running platform; ends when dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    _listening: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    session_key: String,
    latency: Duration,
    exchanges: AtomicU64,
    /// How long answers really took here; not kept where they come at once.
    took: Mutex<Latencies>,
}

impl Upstream {
    /// Listens on a free loopback port and answers after `latency`.
    pub(crate) async fn start(latency: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            session_key: STANDARD.encode(rand::random::<[u8; 16]>()),
            latency,
            exchanges: AtomicU64::new(0),
            took: Mutex::default(),
        });
        let mut listening = JoinSet::new();
        listening.spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _listening: listening })
    }

    /// Returns the address for `platforms.wechat.base_url`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the key of every session that it gives.
    pub(crate) fn session_key(&self) -> &str {
        &self.shared.session_key
    }

    /// Returns how many codes were exchanged so far.
    pub(crate) fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Takes the times of its answers since this was called last, from the end of the request to
    /// the start of the answer. Empty where answers come at once.
    pub(crate) fn take_times(&self) -> Latencies {
        let mut took = self.shared.took.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut took)
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Too many descriptors: some come free.
                Err(_) => sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one connection until its peer closes it or sends what is no request.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (mut request, mut answer) = (Vec::with_capacity(1024), Vec::with_capacity(512));
    loop {
        let whole = match http::head(&request) {
            Ok(Some(head)) => head.bytes + head.body_bytes,
            Ok(None) if request.len() < REQUEST_BYTES_MAX => {
                match stream.read_buf(&mut request).await {
                    Ok(bytes) if bytes > 0 => continue,
                    _ => return,
                }
            }
            _ => return,
        };
        let arrived = Instant::now();
        write_answer(&request, &shared.session_key, &mut answer);
        if !shared.latency.is_zero() {
            sleep(shared.latency).await;
            let mut took = shared.took.lock().unwrap_or_else(PoisonError::into_inner);
            took.record(arrived.elapsed());
        }
        shared.exchanges.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        // Nobody sends the next request before the answer to the last.
        request.drain(..whole.min(request.len()));
    }
}

/// Writes the documented answer; the openid is made of the code, so that each is another person.
fn write_answer(request: &[u8], session_key: &str, answer: &mut Vec<u8>) {
    answer.clear();
    let code = request
        .starts_with(b"GET /sns/jscode2session?")
        .then(|| http::parameter(request, "js_code"))
        .flatten()
        .filter(|code| code.len() >= OPENID_CHARACTERS);
    let Some(code) = code else {
        answer.extend_from_slice(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    let openid: String = byte_serialize(&code[code.len() - OPENID_CHARACTERS..]).collect();
    let body = format!(r#"{{"session_key":"{session_key}","openid":"o{openid}"}}"#);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ";
    for part in [head, &body.len().to_string(), "\r\n\r\n", &body] {
        answer.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /sns/jscode2session?appid=a&secret=s&js_code=0123456789abcdef0123456789abcdef&grant_type=authorization_code HTTP/1.1\r\nhost: h\r\n\r\n";

    async fn ask(stream: &mut TcpStream) -> String {
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        loop {
            stream.read_buf(&mut answer).await.unwrap();
            if let Ok(Some(head)) = http::head(&answer)
                && answer.len() >= head.bytes + head.body_bytes
            {
                return String::from_utf8(answer).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_code_is_exchanged_for_a_session_of_its_own_guest() {
        let upstream = Upstream::start(Duration::ZERO).await.unwrap();
        let mut stream = TcpStream::connect(upstream.address).await.unwrap();
        // Twice on one connection.
        for _ in 0..2 {
            let answer = ask(&mut stream).await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert_eq!(http::status(head.as_bytes()), Some(200));
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["session_key"], upstream.session_key());
            assert_eq!(body["openid"], "o56789abcdef0123456789abcdef");
        }
        assert_eq!(upstream.exchanges(), 2);
        assert_eq!(upstream.take_times().count(), 0);
    }

    #[tokio::test]
    async fn an_answer_takes_its_time() {
        let upstream = Upstream::start(Duration::from_millis(20)).await.unwrap();
        let mut stream = TcpStream::connect(upstream.address).await.unwrap();
        ask(&mut stream).await;
        let times = upstream.take_times();
        assert_eq!(times.count(), 1);
        assert!(times.milliseconds_at(0.5).unwrap() >= 20.0);
    }

    #[test]
    fn unknown_path_is_not_found() {
        let mut answer = Vec::new();
        write_answer(b"GET /else?js_code=1 HTTP/1.1\r\n\r\n", "key", &mut answer);
        assert_eq!(http::status(&answer), Some(404));
    }
}
