//! A TCP proxy between two parts of the product. It can cut, refuse, stall, hold, slow, or
//! swallow one direction, and recover.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// How much is read at once: a slow link waits once for each of these.
const CHUNK_BYTES: usize = 16 << 10;

/// A direction through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// From the server.
    Answer,
}

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Every chunk is delayed by so much.
    Slow(Duration),
    /// Nothing passes until the proxy recovers; then all of it does.
    Hold,
    /// Nothing passes, and neither side notices.
    Stall,
    /// One direction is read and discarded; the other one is open.
    Swallow(Direction),
    /// Connections end, new ones at once.
    Cut,
    /// Connections end, and there is no listener for new ones.
    Refuse,
}

impl Mode {
    /// Returns whether connections cannot be used any more after this mode.
    fn ruins(self) -> bool {
        matches!(self, Self::Stall | Self::Swallow(_) | Self::Cut | Self::Refuse)
    }
}

/// A proxy on a port of its own. Ends when dropped, and every connection with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to `target` (host and port) that lets everything pass.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (mode, mode_now) = watch::channel(Mode::Pass);
        let accepting = tokio::spawn(accept(listener, target.to_owned(), mode_now));
        Self { address, mode, accepting }
    }

    /// Starts a proxy to the server of `url`. Returns it and the URL that leads through it.
    pub async fn for_url(url: &str, default_port: u16) -> (Self, String) {
        let mut url = Url::parse(url).expect("a URL");
        let host = url.host_str().expect("a URL with a host");
        let proxy = Self::to(&format!("{host}:{}", url.port().unwrap_or(default_port))).await;
        url.set_host(Some("127.0.0.1")).expect("a URL that may have a host");
        url.set_port(Some(proxy.address.port())).expect("a URL that may have a port");
        (proxy, url.into())
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Ends all connections and stops listening: new ones are refused.
    pub fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
    }

    /// Keeps all connections, and lets nothing through.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Lets nothing through for now, as a network that loses packets for some seconds.
    pub fn hold(&self) {
        self.mode.send_replace(Mode::Hold);
    }

    /// Discards what goes in one direction; the other one is open.
    pub fn swallow(&self, direction: Direction) {
        self.mode.send_replace(Mode::Swallow(direction));
    }

    /// Delays everything by so much, in both directions.
    pub fn slow(&self, delay: Duration) {
        self.mode.send_replace(Mode::Slow(delay));
    }

    /// Lets everything pass again. What was held passes too; connections that were stalled
    /// or lost something end.
    pub fn mend(&self) {
        self.mode.send_replace(Mode::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections, on the same port again after a time of refusal.
async fn accept(mut listener: TcpListener, target: String, mut mode: watch::Receiver<Mode>) {
    let address = listener.local_addr().expect("an address");
    let mut refusing = mode.clone();
    loop {
        tokio::select! {
            () = take(&listener, &target, &mode) => return,
            refused = refusing.wait_for(|mode| *mode == Mode::Refuse) => {
                if refused.is_err() {
                    return;
                }
            }
        }
        drop(listener);
        if mode.wait_for(|mode| *mode != Mode::Refuse).await.is_err() {
            return;
        }
        listener = TcpListener::bind(address).await.expect("our own port");
    }
}

async fn take(listener: &TcpListener, target: &str, mode: &watch::Receiver<Mode>) {
    while let Ok((inside, _)) = listener.accept().await {
        if *mode.borrow() == Mode::Cut {
            continue;
        }
        let (target, mode) = (target.to_owned(), mode.clone());
        tokio::spawn(async move {
            let Ok(outside) = TcpStream::connect(&target).await else { return };
            carry(inside, outside, mode).await;
        });
    }
}

/// Forwards one connection until it ends.
async fn carry(inside: TcpStream, outside: TcpStream, mode: watch::Receiver<Mode>) {
    // Chunks are forwarded as they come.
    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
    let (from_inside, to_inside) = inside.into_split();
    let (from_outside, to_outside) = outside.into_split();
    let (requests, answers) = (mode.clone(), mode.clone());
    tokio::select! {
        // First, so that what was stalled does not slip through when the proxy recovers.
        biased;
        () = ruined(mode) => {}
        () = async {
            tokio::join!(
                pump(from_inside, to_outside, Direction::Request, requests),
                pump(from_outside, to_inside, Direction::Answer, answers),
            );
        } => {}
    }
}

/// Waits until the connection is unusable and may end. An error, here and below, means that
/// the proxy was dropped.
async fn ruined(mut mode: watch::Receiver<Mode>) {
    let Ok(ruin) = mode.wait_for(|mode| mode.ruins()).await.map(|mode| *mode) else { return };
    if !matches!(ruin, Mode::Cut | Mode::Refuse) {
        let _ = mode.wait_for(|now| matches!(now, Mode::Cut | Mode::Refuse | Mode::Pass)).await;
    }
}

/// Forwards one direction to its end.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    mut mode: watch::Receiver<Mode>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let moves = |mode: &Mode| !matches!(mode, Mode::Hold | Mode::Stall);
        if mode.wait_for(moves).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut chunk) => read,
            // What arrives from now on meets the new mode.
            changed = mode.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(length @ 1..) = read else { break };
        let now = *mode.borrow();
        match now {
            Mode::Swallow(swallowed) if swallowed == direction => continue,
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        if mode.wait_for(moves).await.is_err() || to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
