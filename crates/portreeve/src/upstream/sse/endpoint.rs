//! The second URL of a server of the oldest transport, which it names itself: it must be at the
//! place that the user named, for credentials and calls go there.

use http::Uri;

use super::super::UpstreamError;

/// What is longer is no URL that a server needs.
const LONGEST: usize = 4_096;

/// Reads what the server says, beside the URL that it said it at.
///
/// INVARIANT: nothing is sent to another origin than the configured one
/// (`an_endpoint_elsewhere_is_refused`).
pub(super) fn resolve(base: &Uri, said: &str) -> Result<Uri, UpstreamError> {
    let odd = |what: &str| {
        let what = format!("the endpoint that its stream names {what}");
        UpstreamError::Nonsense(what)
    };
    let said = said.trim();
    if said.is_empty() || said.len() > LONGEST || said.contains('\\') {
        return Err(odd("is no URL"));
    }
    let (scheme, authority) = match (base.scheme_str(), base.authority()) {
        (Some(scheme), Some(authority)) => (scheme, authority.as_str()),
        _ => return Err(odd("cannot be told from a URL without a host")),
    };
    let absolute = if has_scheme(said) {
        said.to_owned()
    } else if said.starts_with("//") {
        format!("{scheme}:{said}")
    } else if said.starts_with('/') {
        format!("{scheme}://{authority}{said}")
    } else if said.starts_with('?') {
        format!("{scheme}://{authority}{}{said}", base.path())
    } else {
        let directory = base
            .path()
            .rsplit_once('/')
            .map_or("", |(before, _)| before);
        format!("{scheme}://{authority}{directory}/{said}")
    };
    let endpoint: Uri = absolute.parse().map_err(|_| odd("is no URL"))?;
    if origin(&endpoint) != origin(base) {
        return Err(odd("is at another origin than its own"));
    }
    Ok(endpoint)
}

/// Whether it begins with a scheme: an address may also stand in a query.
fn has_scheme(said: &str) -> bool {
    let is_scheme = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(plain)
    };
    said.split_once("://")
        .is_some_and(|(scheme, _)| is_scheme(scheme))
}

fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = if scheme == "https" { 443 } else { 80 };
    let authority = uri.authority()?;
    // Credentials of somebody's would be sent in front of the host.
    let is_plain = !authority.as_str().contains('@');
    is_plain.then(|| {
        let port = authority.port_u16().unwrap_or(usual);
        (scheme, authority.host().to_ascii_lowercase(), port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_at_the_servers_own_origin() {
        let base = Uri::from_static("http://host:8080/a/sse");
        for (said, found) in [
            ("/messages?s=1", "http://host:8080/messages?s=1"),
            ("messages?s=1", "http://host:8080/a/messages?s=1"),
            ("?s=1", "http://host:8080/a/sse?s=1"),
            ("http://HOST:8080/m", "http://HOST:8080/m"),
            ("//host:8080/m", "http://host:8080/m"),
            ("/m?next=http://x", "http://host:8080/m?next=http://x"),
            ("m?next=http://x", "http://host:8080/a/m?next=http://x"),
        ] {
            assert_eq!(resolve(&base, said).unwrap().to_string(), found);
        }
        for said in [
            "",
            "http://evil.example/m",
            "https://host:8080/m",
            "http://host/m",
            "//evil.example/m",
            "http://host:8080@evil.example/m",
            "http://user@host:8080/m",
            "\\\\evil.example\\m",
            "ftp://host:8080/m",
        ] {
            assert!(resolve(&base, said).is_err(), "{said}");
        }
        let usual = Uri::from_static("https://host/sse");
        assert!(resolve(&usual, "https://host:443/m").is_ok());
    }
}
