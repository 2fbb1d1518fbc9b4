//! Names become addresses once an attempt, and only addresses that may be called come out:
//! the connection goes to one of those, and nobody looks the name up again.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{guard::Guard, permit::Place};

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
        let (guard, looking) = (self.guard.clone(), (self.lookup)(name.as_str().to_owned()));
        let place = Place::of_caller();
        // A task of its own, since the system cannot be told to stop: a look-up that nobody
        // waits for any more keeps its place until it ends by itself.
        let looking = tokio::spawn(async move {
            let found = looking.await;
            drop(place);
            found
        });
        Box::pin(async move {
            let found = looking.await.map_err(io::Error::other)??;
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

/// The system's way. There are never more at a time than callbacks have places.
pub fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}
