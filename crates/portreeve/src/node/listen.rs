//! Binding the address that agents reach, and saying why that cannot be done.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

/// Why nobody can be listened for at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {}", self.why())]
pub struct ListenError {
    pub address: SocketAddr,
    pub source: io::Error,
}

/// Listens on a TCP address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError { address, source })
}

/// How a gate at this address is reached where no URL is said: one that listens on every address answers to
/// this machine's own names.
pub fn url_of(address: SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        ip if !ip.is_unspecified() => format!("http://{address}"),
        IpAddr::V4(_) => format!("http://127.0.0.1:{port}"),
        IpAddr::V6(_) => format!("http://[::1]:{port}"),
    }
}

impl ListenError {
    fn why(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        match self.source.kind() {
            ErrorKind::AddrInUse => "a program listens there already".to_owned(),
            ErrorKind::AddrNotAvailable => format!("this machine does not have the address {ip}"),
            ErrorKind::PermissionDenied => format!("this user may not use the port {port}"),
            _ if self.is_of_no_family() => "this machine has no IPv6".to_owned(),
            _ => self.source.to_string(),
        }
    }

    /// The address is of a kind that the system does not speak.
    fn is_of_no_family(&self) -> bool {
        let unknown = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
        self.address.is_ipv6() && self.source.raw_os_error() == Some(unknown)
    }

    /// What the person who sees this can do.
    pub fn advice(&self) -> &'static str {
        match self.source.kind() {
            ErrorKind::AddrInUse => {
                "stop that program (another portreeve?), or choose another port with --listen"
            }
            ErrorKind::AddrNotAvailable => {
                "choose another with --listen: 127.0.0.1 is this machine alone, 0.0.0.0 every \
                 address that it has"
            }
            ErrorKind::PermissionDenied => {
                "choose a port of 1024 or more with --listen, or let the program use low ports \
                 (CAP_NET_BIND_SERVICE)"
            }
            _ => "choose another address with --listen",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_words() {
        let told = |address: &str, source: io::Error| {
            let address = address.parse().expect("an address");
            let error = ListenError { address, source };
            format!("{error}; {}", error.advice())
        };
        for (kind, words) in [
            (
                ErrorKind::AddrInUse,
                "a program listens there already; stop that program",
            ),
            (
                ErrorKind::AddrNotAvailable,
                "does not have the address 192.0.2.1; choose another",
            ),
            (
                ErrorKind::PermissionDenied,
                "may not use the port 80; choose a port of 1024",
            ),
            (
                ErrorKind::OutOfMemory,
                "out of memory; choose another address",
            ),
        ] {
            let told = told("192.0.2.1:80", kind.into());
            assert!(
                told.starts_with("cannot listen on 192.0.2.1:80: "),
                "{told}"
            );
            assert!(told.contains(words), "{told}");
        }
        let unknown = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
        let told = told("[::1]:80", io::Error::from_raw_os_error(unknown));
        assert!(told.contains("this machine has no IPv6"), "{told}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listen(any).await.expect("a free port");
        let taken = first.local_addr().expect("an address");
        let error = listen(taken).await.expect_err("it is taken");
        assert_eq!(error.source.kind(), ErrorKind::AddrInUse);
    }
}
