//! Which addresses a server may have.
//!
//! A name that resolves to a private or link-local address can reach what the operator never meant
//! to expose (a metadata service, a router). Such servers must be declared `private`; loopback is
//! allowed, for most local servers live there. The check stands between resolving and connecting,
//! so that a name cannot resolve to one address for the check and to another for the connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};

/// Whether an undeclared server may live there.
pub(super) fn is_open(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_open_v4(v4),
        IpAddr::V6(v6) => v6
            .to_ipv4_mapped()
            .map_or_else(|| is_open_v6(v6), is_open_v4),
    }
}

const fn is_open_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && b & 0xC0 == 64;
    address.is_loopback()
        || !(address.is_private()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || shared
            || a == 0)
}

fn is_open_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // NAT64 and 6to4 carry a v4 address that a translator would reach.
    let carried = match (first, second) {
        (0x64, 0xff9b) => Some(address.to_bits()),
        (0x2002, _) => Some(address.to_bits() >> 80),
        _ => None,
    };
    let carried = carried.and_then(|bits| u32::try_from(bits & 0xFFFF_FFFF).ok());
    if let Some(v4) = carried {
        return is_open_v4(Ipv4Addr::from_bits(v4));
    }
    address.is_loopback()
        || !(address.is_unicast_link_local()
            || address.is_unique_local()
            || address.is_unspecified()
            || address.is_multicast())
}

/// Resolves names, and drops the addresses that an undeclared server may not have.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver {
    inner: GaiResolver,
}

impl GuardedResolver {
    pub(super) fn new() -> Self {
        Self {
            inner: GaiResolver::new(),
        }
    }
}

impl tower_service::Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let resolving = self.inner.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            let open: Vec<SocketAddr> = found.iter().copied().filter(|a| is_open(a.ip())).collect();
            if open.is_empty() && !found.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!(
                        "{host} is at a private address; declare the server `private` if that is \
                         meant"
                    ),
                ));
            }
            Ok(open.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_found_in_every_dress() {
        for closed in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "224.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:0a00:0001::1",
            "fe80::1",
            "fd00::1",
            "::",
            "ff02::1",
        ] {
            assert!(!is_open(closed.parse().unwrap()), "{closed}");
        }
        for open in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "93.184.216.34",
            "2606:4700::1111",
        ] {
            assert!(is_open(open.parse().unwrap()), "{open}");
        }
    }
}
