//! The addresses that callbacks may go to. Nothing here connects to anything.

use proptest::prelude::*;
use reqwest::dns::{Name, Resolve};

use super::*;
use crate::callback::resolver::{Lookup, RefusedAddress, Resolver};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The first and the last address of each network that is not public, and notable ones in
/// between.
const REFUSED: &[&str] = &[
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.0",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "::8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808",
    "64:ff9b:1::7f00:1",
    "100::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:1ff:ffff::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2001:db8:ffff::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:808:808::1",
    "2002:ffff::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// The neighbours of networks that are not public, and well-known addresses.
const ADMITTED: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7::1",
    "2001:db9::1",
    "2003::1",
    "2400:3200::1",
    "2606:4700:4700::1111",
    "3ffe::1",
    "3fff:1000::1",
];

#[test]
fn only_public_addresses_are_admitted() {
    let guard = Guard::new(&[]);
    let wrong = REFUSED.iter().filter(|text| guard.admits(ip(text))).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "not public, and admitted: {wrong:?}");
    let wrong = ADMITTED.iter().filter(|text| !guard.admits(ip(text))).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "public, and refused: {wrong:?}");
}

#[test]
fn allowed_networks_are_admitted_too() {
    let networks = ["10.1.0.0/16", "fd12::/16", "64:ff9b::/96"];
    let guard = Guard::new(&networks.map(|network| network.parse().unwrap()));
    for text in ["10.1.0.0", "10.1.255.255", "fd12::7", "64:ff9b::a01:203", "1.1.1.1"] {
        assert!(guard.admits(ip(text)), "{text}");
    }
    for text in
        ["10.0.255.255", "10.2.0.0", "fd13::7", "::ffff:10.1.0.1", "::10.1.0.1", "127.0.0.1"]
    {
        assert!(!guard.admits(ip(text)), "{text}");
    }
}

#[test]
fn a_literal_address_is_checked_in_any_spelling() {
    let guard = Guard::new(&[]);
    let admits = |text: &str| guard.admits_literal(&Url::parse(text).unwrap());
    let spellings =
        ["127.1", "0x7f.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "%31%32%37.0.0.1"];
    for host in spellings.into_iter().chain(["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]) {
        assert!(!admits(&format!("https://{host}:8443/hook")), "{host}");
    }
    for address in REFUSED {
        let host =
            if address.contains(':') { format!("[{address}]") } else { (*address).to_owned() };
        assert!(!admits(&format!("http://{host}/hook")), "{host}");
    }
    for host in ["1.1.1.1", "[2606:4700:4700::1111]", "localhost", "orders.example.com"] {
        assert!(admits(&format!("https://{host}/hook")), "{host}");
    }
}

#[tokio::test]
async fn a_name_resolves_to_admitted_addresses_only() {
    let resolve = async |addresses: Vec<IpAddr>| {
        let lookup: Lookup = Arc::new(move |_| {
            let addresses = addresses.clone();
            Box::pin(async move { Ok(addresses) })
        });
        let name: Name = "orders.example.com".parse().unwrap();
        Resolver::new(Guard::new(&[]), lookup).resolve(name).await
    };
    for address in REFUSED {
        let refused = resolve(vec![ip(address)]).await.err().expect(address);
        assert!(refused.is::<RefusedAddress>(), "{address}: {refused}");
        let mixed = resolve(vec![ip(address), ip("1.1.1.1"), ip(address)]).await;
        let mixed: Vec<IpAddr> = mixed.expect(address).map(|found| found.ip()).collect();
        assert_eq!(mixed, [ip("1.1.1.1")], "{address}");
    }
    assert!(!resolve(Vec::new()).await.err().expect("an error").is::<RefusedAddress>());
}

proptest! {
    /// Covers what the standard library knows of private addresses.
    #[test]
    fn addresses_that_std_calls_private_are_refused(bits in any::<u32>()) {
        let address = Ipv4Addr::from_bits(bits);
        let private = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_multicast() || address.is_broadcast() || address.is_documentation()
            || address.is_unspecified();
        if private {
            prop_assert!(!Guard::new(&[]).admits(address.into()), "{address}");
        }
    }

    /// Covers every form in which IPv6 holds an IPv4 address, whatever that is.
    #[test]
    fn an_ipv4_address_within_ipv6_is_refused(a in any::<u16>(), b in any::<u16>()) {
        let guard = Guard::new(&[]);
        for address in [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, a, b),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, a, b),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, a, b),
            Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, a, b, 0, 0, 0, 1),
        ] {
            prop_assert!(!guard.admits(address.into()), "{address}");
        }
    }
}
