//! Connections that are shared by nobody else.
//!
//! A server that frames its answers wrongly (one too many, or late) can have what it said to one
//! request taken for the answer to the next on the same connection. Ids do not help: clients count from
//! one. So the connections of a caller at a server are its own. The client's pool goes by scheme and
//! authority; the mark stands where a user's name would, and no byte of it is sent.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::{HeaderMap, Uri};

/// On whose behalf a request is made. No two of them share a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whose(u64);

impl Whose {
    /// The gate's own.
    pub const GATE: Self = Self(0);

    /// A caller's, by whatever is different for each.
    pub fn caller(named: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        named.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// A server as far as connections to it are concerned: where it is, and who one is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u64);

impl Place {
    pub(super) fn of(url: &Uri, credentials: &HeaderMap) -> Self {
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        for (name, value) in credentials {
            (name, value).hash(&mut hasher);
        }
        Self(hasher.finish())
    }

    /// The URL with the mark of a caller at this server.
    pub(super) fn marked(self, url: &Uri, whose: Whose) -> Result<Uri, http::Error> {
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let place = authority.rsplit('@').next().unwrap_or_default();
        let mark = format!("{:016x}{:016x}@{place}", self.0, whose.0);
        let mut parts = url.clone().into_parts();
        parts.authority = Some(mark.parse()?);
        Ok(Uri::from_parts(parts)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_at_a_server_has_connections_of_its_own() {
        let url: Uri = "https://a.example:8443/mcp?x=1".parse().unwrap();
        let other: Uri = "https://a.example:8443/other".parse().unwrap();
        let none = HeaderMap::new();
        let mut some = HeaderMap::new();
        some.insert("authorization", "Bearer x".parse().unwrap());
        let alice = Whose::caller("alice");
        let all = [
            (&url, &none, alice),
            (&url, &none, Whose::caller("bob")),
            (&url, &none, Whose::GATE),
            (&url, &some, alice),
            (&other, &none, alice),
        ];
        let marked = all.map(|(url, credentials, whose)| {
            let marked = Place::of(url, credentials).marked(url, whose).unwrap();
            assert_eq!(marked.host(), Some("a.example"));
            assert_eq!(marked.port_u16(), Some(8443));
            assert_eq!(marked.path_and_query(), url.path_and_query());
            marked.authority().unwrap().as_str().to_owned()
        });
        let apart: std::collections::HashSet<&String> = marked.iter().collect();
        assert_eq!(apart.len(), marked.len());
        let again = Place::of(&url, &none).marked(&url, alice).unwrap();
        assert_eq!(again.authority().unwrap().as_str(), marked[0]);
    }
}
