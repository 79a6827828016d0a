//! Which addresses a server may have.
//!
//! A name that resolves to a private or link-local address can reach what the operator never meant
//! to expose (a metadata service, a router). Such servers must be declared `private`; loopback is
//! allowed, for most local servers live there. The check stands between resolving and connecting,
//! so that a name cannot resolve to one address for the check and to another for the connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};

use crate::server_url::{Place, place};

/// Whether an undeclared server may live there.
pub(super) fn is_open(address: IpAddr) -> bool {
    matches!(place(address), Place::Public | Place::Loopback)
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
