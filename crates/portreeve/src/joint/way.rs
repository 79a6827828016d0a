//! The way to one server: the same that a client of `/mcp/<server>` takes.
//!
//! INVARIANT: this is the only way from here to a server, so whatever goes through the one URL is
//! judged, charged, booked and inspected as if it had come to the server's own
//! (`architecture::the_joint_forwards_through_the_gate`).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::HeaderMap;

use crate::eras::Eras;
use crate::gate::{Reply, Visit};

/// The three things that can be asked of a server.
#[derive(Clone, Debug)]
pub(super) struct Way {
    eras: Arc<Eras>,
}

impl Way {
    pub(super) const fn new(eras: Arc<Eras>) -> Self {
        Self { eras }
    }

    // The futures' types are forgotten here: what is below is deep, and what is above deeper.
    pub(super) fn post(
        &self,
        visit: Visit,
        headers: HeaderMap,
        body: Bytes,
    ) -> BoxFuture<'_, Reply> {
        self.eras.post(visit, headers, body).boxed()
    }

    pub(super) fn listen<'a>(
        &'a self,
        visit: Visit,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Reply> {
        self.eras.listen(visit, headers).boxed()
    }

    pub(super) fn end_session<'a>(
        &'a self,
        visit: Visit,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Reply> {
        self.eras.end_session(visit, headers).boxed()
    }
}
