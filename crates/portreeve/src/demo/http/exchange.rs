//! One request that has passed all checks, and its answer in the form the client can take.

use std::sync::Arc;

use http::StatusCode;
use http::header::HeaderMap;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::Shared;
use super::body::{self, Reply};
use super::post::accepts;
use crate::demo::in_flight::InFlight;
use crate::demo::progress::Progress;
use crate::demo::rpc::{self, Request, RpcError};
use crate::demo::server::Server;
use crate::demo::{legacy, modern, progress_token};

const QUEUE: usize = 16;
/// An answer to a request that was cancelled, where HTTP must have some answer.
const CANCELLED: i32 = -32000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) era: Era,
    pub(super) in_flight: InFlight,
    pub(super) request: Request,
}

impl Exchange {
    /// As JSON, or as events if progress is asked for or nothing else can be read.
    pub(super) async fn answer(self, shared: &Arc<Shared>, headers: &HeaderMap) -> Reply {
        let token = progress_token(&self.request.params).cloned();
        let can_stream = accepts(headers, "text/event-stream");
        if can_stream && (token.is_some() || !accepts(headers, "application/json")) {
            return self.into_events(shared, token);
        }
        self.into_json(&shared.server).await
    }

    async fn outcome(
        &self,
        server: &Server,
        mut progress: Progress,
    ) -> Result<Map<String, Value>, RpcError> {
        match self.era {
            Era::Legacy => legacy::answer(server, &self.request, &mut progress).await,
            Era::Modern => modern::answer(server, &self.request, &mut progress).await,
        }
    }

    async fn into_json(self, server: &Server) -> Reply {
        let ticket = self.in_flight.begin(&self.request.id);
        let outcome = tokio::select! {
            biased;
            () = ticket.cancelled() => Err(RpcError::new(CANCELLED, "Request cancelled")),
            outcome = self.outcome(server, Progress::default()) => outcome,
        };
        body::json(StatusCode::OK, &rpc::answer(&self.request.id, outcome))
    }

    fn into_events(self, shared: &Arc<Shared>, token: Option<Value>) -> Reply {
        let (to, messages) = mpsc::channel(QUEUE);
        let ticket = self.in_flight.begin(&self.request.id);
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let progress = match token {
                Some(token) => Progress::new(token, to.clone()),
                None => Progress::default(),
            };
            // INVARIANT: a cancelled request, or one whose client is gone, is not answered.
            let outcome = tokio::select! {
                biased;
                () = ticket.cancelled() => return,
                () = to.closed() => return,
                () = shared.stopped() => return,
                outcome = self.outcome(&shared.server, progress) => outcome,
            };
            let _ = to.send(rpc::answer(&self.request.id, outcome)).await;
        });
        body::events(messages)
    }
}
