//! Clients and servers of different eras, end to end.

mod downward;
mod sse;
mod sse_clients;
mod stdio;
mod upward;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::support::TestGate;
use crate::support::gate::TOKEN;

const MODERN: &str = "2026-07-28";

/// An answer that is read while more of it comes.
struct Stream {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    come: String,
}

impl Stream {
    /// Sends a request as the tests' grant, and waits for the beginning of the answer.
    async fn open(gate: &TestGate, method: Method, headers: &[(&str, &str)], body: &Value) -> Self {
        Self::at(gate, (method, "/mcp/s"), headers, body).await
    }

    async fn at(
        gate: &TestGate,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Self {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", gate.node.address()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            come: String::new(),
        }
    }

    /// The next event: what it is called, and its data. Nothing at the end.
    async fn event(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.come.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.collect::<Vec<_>>().join("\n")
                };
                let read = (field("event: "), field("data: "));
                let rest = rest.to_owned();
                self.come = rest;
                if read.1.is_empty() {
                    continue;
                }
                return Some(read);
            }
            let next = tokio::time::timeout(Duration::from_secs(10), self.body.frame());
            let frame = next.await.expect("something comes").transpose().ok()??;
            let data = frame.into_data().unwrap_or_default();
            self.come.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// The next message. Nothing at the end.
    async fn next(&mut self) -> Option<Value> {
        let (_, data) = self.event().await?;
        Some(serde_json::from_str(&data).unwrap())
    }
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A policy that allows the tools `t`, `ask` and `slow`, and every request of a server.
fn open_policy(limits: &Value) -> String {
    json!({
        "version": "1", "default": "deny",
        "tools": { "t": {}, "ask": limits, "slow": {} },
        "resources": { "file:///allowed/*": { "action": "allow" } },
        "methods": { "completion/complete": "allow" },
        "server_requests": { "sampling": "allow", "elicitation": "allow", "elicitation_url": "allow", "roots": "allow" },
    })
    .to_string()
}
