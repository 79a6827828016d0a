//! `server/discover`, answered with what a legacy server says in its handshake.

use std::sync::Arc;

use bytes::Bytes;
use portreeve_policy::json::{Rules, parse};

use super::Errand;
use crate::eras::draft::{json, object};
use crate::eras::{Eras, answers, capabilities};
use crate::gate::{Reply, Status};
use crate::mcp::kept::MAX_INTRODUCTION;
use crate::mcp::revision::{META_SERVER_INFO, MODERN};

/// What a legacy server can do that has no form in the modern era.
const NOT_TOLD: &[&str] = &["tasks"];

impl Eras {
    pub(super) async fn introduce(self: &Arc<Self>, errand: Errand<'_>) -> Reply {
        let from = (&errand.visit, &errand.headers);
        let mut lease = match self.lease(from, &errand.declared, &errand.id).await {
            Ok(lease) => lease,
            Err(reply) => return reply,
        };
        let hello = lease.inner().and_then(|inner| inner.hello.clone());
        let answer = hello.and_then(|hello| introduction(&hello, &errand.id));
        answer.map_or_else(
            || {
                let words = format!(
                    "the server does not say what it can do, or at greater length than \
                     {MAX_INTRODUCTION} bytes"
                );
                answers::untranslatable(Some(&errand.id), &words)
            },
            |answer| Reply::message(Status::Fine, answer),
        )
    }
}

fn introduction(hello: &Bytes, id: &str) -> Option<Bytes> {
    let tree = parse(hello, Rules::MESSAGE).ok()?;
    let result = tree.get("result")?;
    let told = capabilities::without(result.get("capabilities"), hello, NOT_TOLD);
    let versions = [b"[".to_vec(), json(MODERN), b"]".to_vec()].concat();
    let mut members = vec![
        ("resultType", json("complete")),
        ("supportedVersions", versions),
        ("capabilities", told),
        ("ttlMs", b"0".to_vec()),
        ("cacheScope", json("private")),
    ];
    let text = |name: &str| Some(result.get(name)?.span.of(hello).to_vec());
    members.extend(text("instructions").map(|text| ("instructions", text)));
    if let Some(info) = text("serverInfo") {
        members.push(("_meta", object(&[(META_SERVER_INFO, info)])));
    }
    let answer = object(&[
        ("jsonrpc", json("2.0")),
        ("id", id.as_bytes().to_vec()),
        ("result", object(&members)),
    ]);
    Some(Bytes::from(answer))
}
