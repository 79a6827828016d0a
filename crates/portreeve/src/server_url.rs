//! Which URLs a server may be registered under.
//!
//! The address in a URL decides whom the gate talks to with a person's credentials, so a doubtful
//! spelling is refused, and an address inside somebody's network must be declared. A host name is
//! judged here as text only; what it resolves to is judged again by whoever connects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands for the built-in demo server in the place of a URL.
pub const BUILTIN_DEMO: &str = "builtin:runs";

/// Why a URL is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    // Not repeated: what is no URL may still hold a password.
    #[error("this is not a URL: write it whole, such as `https://mcp.example.com/mcp`")]
    NotAUrl,
    #[error("`{BUILTIN_DEMO}` is the only built-in server")]
    NotBuiltIn,
    #[error("the URL must begin with `https://` or `http://`, not `{0}:`")]
    Scheme(String),
    #[error("the URL carries a user or password: leave them out and send a header instead")]
    UserInfo,
    #[error("the URL has a fragment (`#…`), which is never sent: leave it out")]
    Fragment,
    #[error("the host {0:?} is a number in an unusual notation: write the address as `1.2.3.4`")]
    OddAddress(String),
    #[error(
        "{0} is a private or link-local address: if that is meant, declare it \
         (`--private` on the command line, `private = true` in the configuration file)"
    )]
    Private(IpAddr),
    #[error("{0} is no address of one machine")]
    NoHost(IpAddr),
}

/// Checks the URL of an HTTP server.
pub fn check(url: &str, private_declared: bool) -> Result<(), UrlError> {
    let bad = || UrlError::NotAUrl;
    if url.starts_with("builtin:") {
        return Err(UrlError::NotBuiltIn);
    }
    let (scheme, rest) = url.split_once(':').ok_or_else(bad)?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        let is_scheme = scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !rest.is_empty();
        return Err(if is_scheme && rest.starts_with("//") {
            UrlError::Scheme(scheme.to_owned())
        } else {
            bad()
        });
    }
    if url.contains('#') {
        return Err(UrlError::Fragment);
    }
    // What the parsers disagree about is refused before one of them is asked.
    if url
        .bytes()
        .any(|b| b <= b' ' || b == 0x7f || b == b'\\' || !b.is_ascii())
    {
        return Err(bad());
    }
    let parsed: http::Uri = url.parse().map_err(|_| bad())?;
    let authority = parsed.authority().ok_or_else(bad)?;
    if authority.as_str().contains('@') {
        return Err(UrlError::UserInfo);
    }
    if authority.host().is_empty() || (authority.as_str().ends_with(':')) {
        return Err(bad());
    }
    check_host(authority.host(), private_declared)
}

fn check_host(host: &str, private_declared: bool) -> Result<(), UrlError> {
    let Some(address) = literal(host)? else {
        return Ok(());
    };
    match place(address) {
        Place::Nowhere => Err(UrlError::NoHost(address)),
        Place::Private if !private_declared => Err(UrlError::Private(address)),
        Place::Private | Place::Loopback | Place::Public => Ok(()),
    }
}

/// The address that the host spells, if it is one.
fn literal(host: &str) -> Result<Option<IpAddr>, UrlError> {
    if let Some(inner) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Some(address.into())),
            Err(_) => Err(UrlError::OddAddress(host.to_owned())),
        };
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Some(address.into()));
    }
    // No top-level domain is a number: `127.1`, `0x7f.1` and `2130706433` are addresses to a
    // resolver, and names to a careless check.
    let last = host.rsplit('.').next().unwrap_or(host);
    let digits = last.bytes().all(|b| b.is_ascii_digit());
    let hexadecimal = last
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if digits || hexadecimal {
        return Err(UrlError::OddAddress(host.to_owned()));
    }
    Ok(None)
}

/// Where an address is, as far as the rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine.
    Loopback,
    /// Inside a network that is not everybody's: must be declared.
    Private,
    Public,
    /// Unspecified, multicast, broadcast: nobody to talk to.
    Nowhere,
}

/// Where the address is. A connector asks this of every address a name resolves to.
pub fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(v4) => place_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => place_v4(v4),
            None => place_v6(v6),
        },
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    let [a, b, c, _] = address.octets();
    if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
        return Place::Nowhere;
    }
    if address.is_loopback() {
        return Place::Loopback;
    }
    let shared = a == 100 && (64..128).contains(&b);
    let reserved = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0);
    let benchmark = a == 198 && (b == 18 || b == 19);
    if address.is_private() || address.is_link_local() || shared || reserved || benchmark {
        Place::Private
    } else {
        Place::Public
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    if address.is_unspecified() || address.is_multicast() {
        Place::Nowhere
    } else if address.is_loopback() {
        Place::Loopback
    } else if address.is_unique_local() || address.is_unicast_link_local() {
        Place::Private
    } else {
        Place::Public
    }
}

/// The IPv4 address that is really meant: mapped, compatible, NAT64 or 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // `::` and `::1` are IPv6's own.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

/// Why a header cannot be sent to a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("{0:?} is no name of an HTTP header")]
    Name(String),
    #[error("the value of the header `{0}` holds a character that cannot be sent")]
    Value(String),
    #[error("the header `{0}` is set by portreeve itself: take it out")]
    Reserved(String),
}

/// Headers that say how a message is carried; a wrong one would break the connection.
const RESERVED: &[&str] = &[
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks a header that is to be sent with every request to a server.
pub fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
    let parsed = http::HeaderName::from_bytes(name.as_bytes());
    let parsed = parsed.map_err(|_| HeaderError::Name(name.to_owned()))?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(HeaderError::Reserved(name.to_owned()));
    }
    match http::HeaderValue::from_str(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(HeaderError::Value(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_and_loopback_urls_need_no_declaration() {
        for url in [
            "https://mcp.example.com/mcp",
            "HTTP://example.com",
            "http://127.0.0.1:9000/mcp",
            "http://localhost:3000/",
            "http://[::1]:80/x?y=1",
            "https://8.8.8.8/",
            "https://1e100.net/",
        ] {
            assert_eq!(check(url, false), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_address_inside_a_network_must_be_declared() {
        for host in [
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.1.2.3",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
            "10.0.0.1.",
        ] {
            let url = format!("http://{host}/mcp");
            assert!(
                matches!(check(&url, false), Err(UrlError::Private(_))),
                "{url}"
            );
            assert_eq!(check(&url, true), Ok(()), "{url}");
        }
    }

    #[test]
    fn doubtful_urls_are_refused_even_when_declared() {
        for (url, says) in [
            ("", "not a URL"),
            ("example.com", "not a URL"),
            ("example.com:80/x", "not a URL"),
            ("https://", "not a URL"),
            ("https://:80/", "not a URL"),
            ("https://a.example:/", "not a URL"),
            ("https://a b.example/", "not a URL"),
            ("https://a.example\\@evil.example/", "not a URL"),
            ("https://ex\u{e4}mple.com/", "not a URL"),
            ("ftp://example.com", "not `ftp:`"),
            ("file:///etc/passwd", "not `file:`"),
            ("https://me:pw@example.com/", "user or password"),
            ("https://example.com/#x", "fragment"),
            ("http://2130706433/", "unusual notation"),
            ("http://127.1/", "unusual notation"),
            ("http://0x7f.0.0.1/", "unusual notation"),
            ("http://010.0.0.0x1/", "unusual notation"),
            ("http://0177.0.0.1/", "unusual notation"),
            ("http://0.0.0.0/", "no address of one machine"),
            ("http://[::]/", "no address of one machine"),
            ("http://224.0.0.1/", "no address of one machine"),
        ] {
            let error = check(url, true).expect_err(url).to_string();
            assert!(error.contains(says), "{url}: {error}");
        }
    }

    #[test]
    fn headers_that_carry_the_message_are_not_for_people() {
        assert_eq!(check_header("X-Key", "v"), Ok(()));
        assert_eq!(check_header("Authorization", "Bearer v"), Ok(()));
        assert!(matches!(
            check_header("X Key", "v"),
            Err(HeaderError::Name(_))
        ));
        assert!(matches!(
            check_header("X-Key", "a\r\nb: c"),
            Err(HeaderError::Value(_))
        ));
        assert!(matches!(
            check_header("HOST", "v"),
            Err(HeaderError::Reserved(_))
        ));
    }
}
