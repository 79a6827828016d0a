//! Who may ask at all: no page of another site, through no rebound name.

use std::net::SocketAddr;

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::Authority;

/// Whether Host and Origin are such that the request may be answered on this address.
pub(super) fn admits(address: SocketAddr, headers: &HeaderMap) -> bool {
    let Some(host) = only(headers, HOST.as_str()).and_then(|host| host.parse::<Authority>().ok())
    else {
        return false;
    };
    // On a loopback address a foreign name means DNS rebinding. Elsewhere any name may be ours.
    if address.ip().is_loopback() && !is_loopback(host.host()) {
        return false;
    }
    match headers.get(ORIGIN) {
        None => true,
        Some(_) => only(headers, ORIGIN.as_str()).is_some_and(|origin| is_same(origin, &host)),
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "[::1]")
}

/// The origin of a page that this server could have served: the same host, whatever the port on
/// loopback, where tools with pages of their own live.
fn is_same(origin: &str, host: &Authority) -> bool {
    let after_scheme = ["http://", "https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(scheme));
    let Some(origin) = after_scheme.and_then(|rest| rest.parse::<Authority>().ok()) else {
        return false;
    };
    let both_loopback = is_loopback(origin.host()) && is_loopback(host.host());
    both_loopback || origin == *host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(address: &str, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        admits(address.parse().unwrap(), &headers)
    }

    #[test]
    fn a_rebound_name_and_a_foreign_page_are_refused() {
        let here = "127.0.0.1:8080";
        for (host, origin, expected) in [
            ("127.0.0.1:8080", None, true),
            ("LocalHost:8080", None, true),
            ("[::1]:8080", None, true),
            ("localhost", Some("http://localhost:3000"), true),
            ("evil.example", None, false),
            ("localhost.evil.example", None, false),
            ("127.0.0.1:8080", Some("https://evil.example"), false),
            ("127.0.0.1:8080", Some("null"), false),
            (
                "127.0.0.1:8080",
                Some("http://localhost.evil.example"),
                false,
            ),
        ] {
            assert_eq!(admitted(here, host, origin), expected, "{host} {origin:?}");
        }
        assert!(!admits(here.parse().unwrap(), &HeaderMap::new()));
    }

    #[test]
    fn on_a_public_address_the_origin_is_the_host() {
        let here = "192.0.2.1:80";
        assert!(admitted(here, "runs.example", None));
        assert!(admitted(here, "runs.example", Some("https://runs.example")));
        assert!(!admitted(
            here,
            "runs.example",
            Some("https://evil.example")
        ));
    }
}
