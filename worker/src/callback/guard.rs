//! The guard of addresses: it admits public ones, and those that the operator allows.
//!
//! Source: IANA's registries of special-purpose addresses for IPv4 and IPv6, of multicast,
//! and of IPv6 global unicast.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// The IPv4 networks that are not public.
const RESERVED_4: [Ipv4Net; 15] = [
    net4([0, 0, 0, 0], 8),       // this network
    net4([10, 0, 0, 0], 8),      // private
    net4([100, 64, 0, 0], 10),   // shared by carriers
    net4([127, 0, 0, 0], 8),     // loopback
    net4([169, 254, 0, 0], 16),  // link-local, the metadata of clouds too
    net4([172, 16, 0, 0], 12),   // private
    net4([192, 0, 0, 0], 24),    // protocol assignments
    net4([192, 0, 2, 0], 24),    // documentation
    net4([192, 88, 99, 0], 24),  // 6to4 relays, withdrawn
    net4([192, 168, 0, 0], 16),  // private
    net4([198, 18, 0, 0], 15),   // benchmarks
    net4([198, 51, 100, 0], 24), // documentation
    net4([203, 0, 113, 0], 24),  // documentation
    net4([224, 0, 0, 0], 4),     // multicast
    net4([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// The address of Azure's host agent, which gives machines data about themselves: a public one.
const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The only public part of IPv6. Outside of it are loopback, link-local, private and
/// multicast addresses, and all that hold an IPv4 address: mapped, compatible, translated.
const GLOBAL_6: Ipv6Net = net6([0x2000, 0, 0], 3);

/// The networks in [`GLOBAL_6`] that are not public.
const RESERVED_6: [Ipv6Net; 4] = [
    net6([0x2001, 0, 0], 23), // protocol assignments: Teredo, ORCHID, benchmarks
    net6([0x2001, 0xdb8, 0], 32), // documentation
    net6([0x2002, 0, 0], 16), // 6to4: holds an IPv4 address
    net6([0x3fff, 0, 0], 20), // documentation
];

const fn net4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn net6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The check of addresses that callbacks may go to.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    allowed: Arc<[IpNet]>,
}

impl Guard {
    /// Creates a guard that admits public addresses and those in `allowed`.
    pub(super) fn new(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Returns whether callbacks may go to `address`.
    ///
    /// An IPv6 address that holds an IPv4 one is checked as what it is: it is refused,
    /// whatever it holds, unless its own network is allowed.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.contains(&address))
    }

    /// Returns whether callbacks may go to the literal address in `url`. Returns `true` for a
    /// name: the resolver checks its addresses, and is not asked about literal ones.
    pub(super) fn admits_literal(&self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.admits(address.into()),
            Some(Host::Ipv6(address)) => self.admits(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address != AZURE_HOST && !RESERVED_4.iter().any(|network| network.contains(&address))
        }
        IpAddr::V6(address) => {
            GLOBAL_6.contains(&address)
                && !RESERVED_6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests;
