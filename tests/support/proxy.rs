//! A TCP proxy between two parts of the product, to be cut and mended.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A proxy on a port of its own. Ends when dropped, and every connection with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    passes: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to `target` (host and port) that lets everything pass.
    pub async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (passes, mut whether) = watch::channel(true);
        let target = target.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                if !*whether.borrow_and_update() {
                    continue;
                }
                let (target, mut whether) = (target.clone(), whether.clone());
                tokio::spawn(async move {
                    let Ok(mut outside) = TcpStream::connect(&target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut inside, &mut outside) => {}
                        // An error: the proxy is gone.
                        _ = whether.wait_for(|passes| !passes) => {}
                    }
                });
            }
        });
        Self { address, passes, accepting }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and every new one at once.
    pub fn cut(&self) {
        self.passes.send_replace(false);
    }

    /// Lets connections pass again.
    pub fn mend(&self) {
        self.passes.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
