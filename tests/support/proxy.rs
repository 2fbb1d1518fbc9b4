//! A TCP proxy between two parts of the product, to be cut, stalled and mended.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// What becomes of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Nothing passes, and nobody is told.
    Stall,
    Cut,
}

/// A proxy on a port of its own. Ends when dropped, and every connection with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target` (host and port) that lets everything pass.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (mode, mut mode_now) = watch::channel(Mode::Pass);
        let target = target.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                if *mode_now.borrow_and_update() == Mode::Cut {
                    continue;
                }
                let (target, mut mode) = (target.clone(), mode_now.clone());
                tokio::spawn(async move {
                    let Ok(mut outside) = TcpStream::connect(&target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inside, &mut outside) => {}
                        // An error, here and below: the proxy is gone.
                        _ = mode.wait_for(|mode| *mode != Mode::Pass) => {}
                    }
                    let _ = mode.wait_for(|mode| *mode != Mode::Stall).await;
                });
            }
        });
        Self { address, mode, accepting }
    }

    /// A proxy to the server of `url`, and the URL that leads through it.
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

    /// Keeps all connections, and lets nothing through.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Lets new connections pass again; stalled ones end.
    pub fn mend(&self) {
        self.mode.send_replace(Mode::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
