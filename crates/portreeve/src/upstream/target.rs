//! Where a server is, taken apart once for all its requests.

use http::uri::{Parts, Scheme};
use http::{HeaderValue, Uri};

use super::UpstreamError;

/// A server's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) url: Uri,
    /// As the `Host` header has it.
    pub(super) host: HeaderValue,
    /// As the request's first line has it: the path and what follows.
    pub(super) path: Uri,
}

impl Target {
    pub(super) fn new(url: Uri) -> Result<Self, UpstreamError> {
        let odd = |what: &str| UpstreamError::Unusable(format!("its URL {what}"));
        let name = url.host().ok_or_else(|| odd("has no host"))?;
        let usual = if url.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        let host = match url.port_u16() {
            Some(port) if port != usual => HeaderValue::try_from(format!("{name}:{port}")),
            _ => HeaderValue::from_str(name),
        };
        let mut parts = Parts::default();
        parts.path_and_query = url.path_and_query().cloned();
        let path = Uri::from_parts(parts);
        Ok(Self {
            host: host.map_err(|_| odd("has a host that no header can name"))?,
            path: path.map_err(|_| odd("has a path that cannot be asked for"))?,
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_spelled_as_requests_have_it() {
        for (url, host, path) in [
            ("http://a.example", "a.example", "/"),
            ("http://a.example:80/mcp", "a.example", "/mcp"),
            ("http://a.example:443/mcp", "a.example:443", "/mcp"),
            ("https://a.example:443/mcp?x=1", "a.example", "/mcp?x=1"),
            ("https://a.example:80/?x", "a.example:80", "/?x"),
            ("http://[::1]:8000/mcp", "[::1]:8000", "/mcp"),
            ("http://user:word@a.example/", "a.example", "/"),
        ] {
            let target = Target::new(url.parse().unwrap()).unwrap();
            let spelled = (target.host.to_str().unwrap(), target.path.to_string());
            assert_eq!(spelled, (host, path.to_owned()), "{url}");
        }
        assert!(Target::new("/mcp".parse().unwrap()).is_err());
    }
}
