//! The resolver: it looks a name up once for each attempt and returns only addresses that the
//! guard admits. The connection goes to one of those, and nobody looks the name up again.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{guard::Guard, permit::CallbackPermit};

/// The look-up of a name's addresses.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The error of a name none of whose addresses is admitted.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the guard admits no address of this name")]
pub(super) struct RefusedAddress;

/// A resolver that leaves out the addresses that the guard does not admit.
pub(super) struct Resolver {
    guard: Guard,
    lookup: Lookup,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Creates a resolver that uses `lookup`.
    pub(super) fn new(guard: Guard, lookup: Lookup) -> Self {
        Self { guard, lookup }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let lookup = (self.lookup)(name.as_str().to_owned());
        let permit = CallbackPermit::of_caller();
        // A task of its own, since the system's look-up cannot be stopped: one that nobody waits
        // for any more keeps its permit until it ends by itself.
        let lookup = tokio::spawn(async move {
            let found = lookup.await;
            drop(permit);
            found
        });
        Box::pin(async move {
            let found = lookup.await.map_err(io::Error::other)??;
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let admitted: Vec<_> =
                found.into_iter().filter(|address| guard.admits(*address)).collect();
            if admitted.is_empty() {
                return Err(RefusedAddress.into());
            }
            // Port 0 means the port of the URL.
            let addresses = admitted.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Returns the system's look-up. There are never more under way than callbacks have permits.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}
