//! One client's connection to what takes jobs: HTTP/1.1, one request after another.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::http;

/// Longest that one request may take: above the longest `Prefer: wait`.
const REQUEST_LIMIT: Duration = Duration::from_secs(45);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Shorter than servers keep a connection on which nothing happens.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// Longest answer: one of quhao's has less than a KiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// An answer, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Whether it tells a job that succeeded.
    pub(crate) succeeded: bool,
}

/// Connects when it has to.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    open: Option<(TcpStream, Instant)>,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, open: None, answer: Vec::with_capacity(2048) }
    }

    /// Sends a request and reads its answer. After an error the next one connects anew.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<Reply> {
        let mut stream = match self.open.take() {
            Some((stream, used_at)) if used_at.elapsed() < IDLE_MAX => stream,
            _ => self.connect().await?,
        };
        let reply = timeout(REQUEST_LIMIT, exchange(&mut stream, request, &mut self.answer));
        let reply = reply.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        self.open = Some((stream, Instant::now()));
        Ok(reply)
    }

    /// Connects ahead of the first request.
    pub(crate) async fn open(&mut self) -> io::Result<()> {
        self.open = Some((self.connect().await?, Instant::now()));
        Ok(())
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = timeout(CONNECT_LIMIT, TcpStream::connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

async fn exchange(
    stream: &mut TcpStream,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> io::Result<Reply> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let head = http::head(answer).map_err(|why| invalid(format!("{why:?}")))?;
        if let Some(head) = head
            && answer.len() >= head.bytes + head.body_bytes
        {
            let status = http::status(answer).ok_or_else(|| invalid("no status".to_owned()))?;
            // Only an answer that was waited for tells a result.
            let succeeded =
                status == 200 && http::contains(&answer[head.bytes..], b"\"status\":\"succeeded\"");
            return Ok(Reply { status, succeeded });
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(invalid("too long an answer".to_owned()));
        }
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Answers the first connection with these parts, one after each other.
    async fn server(parts: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4];
            stream.read_exact(&mut request).await.unwrap();
            for part in parts {
                stream.write_all(part.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    #[tokio::test]
    async fn an_answer_in_parts_is_put_together() {
        let parts =
            ["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 22\r\n\r\n{\"status\":", "\"succeeded\"}"];
        let address = server(Box::leak(Box::new(parts))).await;
        let reply = Connection::new(address).send(b"POST").await.unwrap();
        assert_eq!(reply, Reply { status: 200, succeeded: true });
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        let address = server(&["HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"]).await;
        let error = Connection::new(address).send(b"POST").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
