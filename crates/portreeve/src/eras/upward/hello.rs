//! The handshake of a legacy client, answered with what a modern server says of itself.

use std::sync::Arc;

use bytes::Bytes;
use portreeve_policy::json::{Rules, Value, parse};

use super::Errand;
use super::stamp;
use crate::eras::draft::{Draft, json, object};
use crate::eras::{Eras, answers, capabilities, events};
use crate::gate::{Reply, Status};
use crate::mcp::kept::MAX_HELLO;
use crate::mcp::method::DISCOVER;
use crate::mcp::revision::{
    LEGACY, META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_PROTOCOL_VERSION, META_SERVER_INFO,
    MODERN, NEWEST_LEGACY,
};
use crate::mcp::{answer, code};
use crate::name::Name;

/// What a client can do that has another form in the modern era, or none.
const NOT_TOLD: &[&str] = &["tasks"];

impl Eras {
    /// Answers `initialize` from `server/discover`.
    pub(super) async fn greet(self: &Arc<Self>, errand: Errand<'_>, id: &str) -> Reply {
        let message = errand.message;
        let declared = message.param("capabilities");
        let info = message.param("clientInfo");
        let info = info.map(|info| info.span.of(errand.text).to_vec());
        let capabilities = capabilities::without(declared, errand.text, NOT_TOLD);
        if info.as_ref().map_or(0, Vec::len) + capabilities.len() > MAX_HELLO {
            let words =
                format!("`clientInfo` and `capabilities` are longer than {MAX_HELLO} bytes");
            let of = (id, "initialize");
            let refusing = self.refuse_params(&errand.visit, of, (Status::Fine, &words));
            return refusing.await;
        }
        let version = message.param("protocolVersion").and_then(Value::as_str);
        let version = version.filter(|version| LEGACY.contains(version));

        let mut asking = Draft::new(id.to_owned(), DISCOVER);
        asking.set_meta(META_PROTOCOL_VERSION, json(MODERN));
        asking.set_meta(META_CLIENT_CAPABILITIES, capabilities.clone());
        if let Some(info) = &info {
            asking.set_meta(META_CLIENT_INFO, info.clone());
        }
        let headers = stamp::headers_of(&errand.headers, DISCOVER);
        let visit = errand.visit;
        let posted = self.gate.post(visit.clone(), headers, asking.write());
        let Some(said) = events::answer_in(posted.await.payload).await else {
            let words = "the server does not say what it can do";
            return answers::untranslatable(Some(id), words);
        };
        let Some(result) = introduction(
            &said,
            id,
            version.unwrap_or(NEWEST_LEGACY),
            &visit.server.name,
        ) else {
            return Reply::message(Status::Fine, said);
        };
        let now = self.gate.clock().now();
        match self.elders.open(&visit, (info, capabilities), now) {
            Ok(session) => Reply {
                session: Some(session.id.clone()),
                ..Reply::message(Status::Fine, result)
            },
            Err(full) => {
                let words = answer::plain_error(Some(id), code::NO_SESSION, &full.to_string());
                Reply::message(Status::Unavailable, words)
            }
        }
    }
}

/// The result of `initialize`; nothing if the server answered with an error.
fn introduction(said: &Bytes, id: &str, version: &str, name: &Name) -> Option<Bytes> {
    let tree = parse(said, Rules::MESSAGE).ok()?;
    let result = tree.get("result").filter(|r| r.members().is_some())?;
    let text = |value: &Value<'_>| value.span.of(said).to_vec();
    let info = result
        .get("_meta")
        .and_then(|meta| meta.get(META_SERVER_INFO));
    let info = info.or_else(|| result.get("serverInfo")).map(text);
    let unnamed = || object(&[("name", json(name.as_str())), ("version", json("unknown"))]);
    let capabilities = result.get("capabilities").map(text);
    let mut members = vec![
        ("protocolVersion", json(version)),
        (
            "capabilities",
            capabilities.unwrap_or_else(|| b"{}".to_vec()),
        ),
        ("serverInfo", info.unwrap_or_else(unnamed)),
    ];
    let instructions = result.get("instructions").map(text);
    members.extend(instructions.map(|text| ("instructions", text)));
    let answer = object(&[
        ("jsonrpc", json("2.0")),
        ("id", id.as_bytes().to_vec()),
        ("result", object(&members)),
    ]);
    Some(Bytes::from(answer))
}
