//! One server of a caller's, with everything it takes to say something to it.

use bytes::Bytes;
use http::HeaderMap;

use super::way::Way;
use crate::gate::Visit;
use crate::mcp::{answer, code, header};
use crate::name::Name;

/// The server, and the headers that go with what it is told.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub way: Way,
    pub visit: Visit,
    /// The client's own, with the inner session in place of ours.
    pub headers: HeaderMap,
}

impl Peer {
    pub(super) fn server(&self) -> &Name {
        &self.visit.server.name
    }

    /// The headers of what is ours to say: mirrors of the client's message are not of this one.
    pub(super) fn own_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        for name in [header::METHOD, header::NAME] {
            headers.remove(name);
        }
        headers
    }

    /// Tells the server, in the background, that a question of its is not answered.
    pub(super) fn decline(&self, id: &str, words: &str) {
        let words = Bytes::from(answer::plain_error(Some(id), code::POLICY_REFUSED, words));
        let (way, visit, headers) = (self.way.clone(), self.visit.clone(), self.own_headers());
        tokio::spawn(async move { drop(way.post(visit, headers, words).await) });
    }
}
