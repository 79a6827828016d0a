//! Host and Origin: who may name this gate, and from where.
//!
//! A web page can make a browser send requests to a local port, and a name server of its own can
//! make that port look like its own site (DNS rebinding). The browser cannot be kept from naming
//! the page's own host, so a request for a host that is not ours is refused.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Uri};

/// The hosts and origins the gate answers to.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// `host:port` or `host`. There are few.
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is from the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error(
        "this gateway does not answer to the host {0:?}; add it to `allowed_hosts` if it is meant"
    )]
    Host(String),
    #[error(
        "requests from the origin {0:?} are refused; add it to `allowed_origins` if it is meant"
    )]
    Origin(String),
}

impl Allowed {
    /// What a gate at `listen` answers to: itself, its public URL, and what the operator adds.
    pub fn new(
        listen: SocketAddr,
        public_url: Option<&str>,
        hosts: &[String],
        origins: &[String],
    ) -> Self {
        let port = listen.port();
        let mut all = hosts.to_vec();
        let mut names: Vec<String> = Vec::new();
        if listen.ip().is_loopback() || listen.ip().is_unspecified() {
            names.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        }
        if !listen.ip().is_unspecified() {
            names.push(bracketed(listen.ip()));
        }
        all.extend(names.iter().map(|name| format!("{name}:{port}")));
        if port == 80 {
            all.extend(names);
        }
        let public: Option<Uri> = public_url.and_then(|url| url.parse().ok());
        if let Some(authority) = public.as_ref().and_then(Uri::authority) {
            all.push(authority.as_str().to_owned());
        }
        let mut from = origins.to_vec();
        from.extend(
            all.iter()
                .flat_map(|h| [format!("http://{h}"), format!("https://{h}")]),
        );
        Self {
            hosts: all,
            origins: from,
        }
    }

    /// Whether a request names us, and comes from no page or from one of ours.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), PlaceError> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().map(HeaderValue::as_bytes);
        // HTTP/2 and absolute-form requests name the host in the request itself.
        let authority = uri.authority().map(|a| a.as_str().as_bytes());
        let mut named = host.into_iter().chain(authority);
        if hosts.next().is_some() || host.or(authority).is_none() {
            return Err(PlaceError::Host(shown(host.unwrap_or_default())));
        }
        if let Some(foreign) = named.find(|name| !is_among(&self.hosts, name)) {
            return Err(PlaceError::Host(shown(foreign)));
        }
        let mut origins = headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
        match origins.find(|origin| !is_among(&self.origins, origin)) {
            Some(foreign) => Err(PlaceError::Origin(shown(foreign))),
            None => Ok(()),
        }
    }
}

fn is_among(ours: &[String], name: &[u8]) -> bool {
    let is_it = |own: &String| own.as_bytes().eq_ignore_ascii_case(name);
    ours.iter().any(is_it)
}

/// What is longer than a name can be is cut: it is said in an answer and in the log, and strangers
/// write it.
const LONGEST: usize = 300;

fn shown(name: &[u8]) -> String {
    let cut = name.get(..LONGEST).unwrap_or(name);
    let mut lower = String::from_utf8_lossy(cut).to_ascii_lowercase();
    if cut.len() < name.len() {
        lower.push('…');
    }
    lower
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &Allowed, headers: &[(http::HeaderName, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        allowed.check(&Uri::from_static("/mcp/runs"), &map).is_ok()
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let listen = "127.0.0.1:8787".parse().unwrap();
        let allowed = Allowed::new(listen, Some("https://gate.example.com"), &[], &[]);
        for host in [
            "127.0.0.1:8787",
            "localhost:8787",
            "LOCALHOST:8787",
            "gate.example.com",
        ] {
            assert!(check(&allowed, &[(HOST, host)]), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:8787.evil",
            "",
            "é",
        ] {
            assert!(!check(&allowed, &[(HOST, host)]), "{host}");
        }
        let long = "x".repeat(10_000);
        let uri = Uri::from_static("/mcp/runs");
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(&long).unwrap())]);
        let words = allowed.check(&uri, &headers).unwrap_err().to_string();
        assert!(words.len() < 500, "strangers do not fill the log: {words}");
        assert!(!check(&allowed, &[]));
        assert!(!check(
            &allowed,
            &[(HOST, "localhost:8787"), (HOST, "localhost:8787")]
        ));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let listen = "127.0.0.1:8787".parse().unwrap();
        let allowed = Allowed::new(listen, None, &[], &["https://app.example".to_owned()]);
        let host = (HOST, "127.0.0.1:8787");
        for origin in [
            "http://127.0.0.1:8787",
            "http://localhost:8787",
            "https://app.example",
        ] {
            assert!(
                check(&allowed, &[host.clone(), (ORIGIN, origin)]),
                "{origin}"
            );
        }
        for origin in [
            "null",
            "http://evil.example",
            "http://127.0.0.1:1",
            "file://",
        ] {
            assert!(
                !check(&allowed, &[host.clone(), (ORIGIN, origin)]),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_gate_on_all_addresses_answers_to_what_it_is_told() {
        let listen = "0.0.0.0:8787".parse().unwrap();
        let hosts = ["gate.internal:8787".to_owned()];
        let allowed = Allowed::new(listen, None, &hosts, &[]);
        assert!(check(&allowed, &[(HOST, "gate.internal:8787")]));
        assert!(!check(&allowed, &[(HOST, "10.0.0.5:8787")]));
    }
}
