//! Names become addresses once an attempt, and only addresses that may be called come out:
//! the connection goes to one of those, and nobody looks the name up again.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::guard::Guard;

/// How a name becomes addresses.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// All the addresses of a name were refused.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no address of this name may be called")]
pub struct RefusedAddress;

/// Looks names up, and leaves out what the guard does not admit.
pub struct Resolver {
    guard: Guard,
    lookup: Lookup,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Resolver {
    /// One that asks `lookup`.
    pub fn new(guard: Guard, lookup: Lookup) -> Self {
        Self { guard, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, found) = (self.guard.clone(), (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?;
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let admitted: Vec<_> =
                found.into_iter().filter(|address| guard.admits(*address)).collect();
            if admitted.is_empty() {
                return Err(RefusedAddress.into());
            }
            // Port 0 stands for the URL's own.
            let addresses = admitted.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// The system's way, at most `at_once` look-ups at a time. The system cannot be told to
/// stop: one that nobody waits for any more keeps its place until it ends by itself.
pub fn system(at_once: usize) -> Lookup {
    let places = Arc::new(Semaphore::new(at_once));
    Arc::new(move |name| {
        let places = Arc::clone(&places);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let looking = tokio::spawn(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await;
                drop(place);
                found.map(|found| found.map(|address| address.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    })
}
