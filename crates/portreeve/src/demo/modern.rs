//! The methods of revision 2026-07-28: no handshake, every request says who asks and in which
//! version. Headers are the HTTP transport's matter.

use serde_json::{Map, Value, json};

use super::progress::Progress;
use super::rpc::{self, Notification, Request, RpcError};
use super::server::{self, Server};

pub(super) const VERSION: &str = "2026-07-28";

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
const FRESH_FOR_MS: u32 = 300_000;

type Outcome = Result<Map<String, Value>, RpcError>;

/// The version that a request claims in its body.
pub(super) fn claimed_version(params: &Map<String, Value>) -> Option<&Value> {
    params.get("_meta")?.get(PROTOCOL_VERSION)
}

/// Whether a request can only be meant in this era.
pub(super) fn is_meant(request: &Request) -> bool {
    let ours = ["server/discover", "subscriptions/listen"];
    let claims = claimed_version(&request.params);
    // A client may name a version of the other era in its `_meta`; that is served as that era is.
    let other = |version: &Value| super::legacy::VERSIONS.iter().any(|known| version == known);
    claims.is_some_and(|version| !other(version)) || ours.contains(&request.method.as_str())
}

/// What every request must carry.
pub(super) fn check_meta(params: &Map<String, Value>) -> Result<(), RpcError> {
    let Some(version) = claimed_version(params).and_then(Value::as_str) else {
        let why = format!("`_meta` lacks {PROTOCOL_VERSION}");
        return Err(RpcError::params(why));
    };
    if version != VERSION {
        return Err(RpcError::unsupported_version(version));
    }
    let meta = params.get("_meta");
    let capabilities = meta.and_then(|meta| meta.get(CLIENT_CAPABILITIES));
    if !capabilities.is_some_and(Value::is_object) {
        let why = format!("`_meta` lacks {CLIENT_CAPABILITIES}");
        return Err(RpcError::params(why));
    }
    Ok(())
}

/// Answers everything but `subscriptions/listen`, which is a stream.
pub(super) async fn answer(server: &Server, request: &Request, progress: &mut Progress) -> Outcome {
    check_meta(&request.params)?;
    let result = match request.method.as_str() {
        "server/discover" => cacheable(discover(), server),
        "tools/list" => cacheable(server.list(&request.params)?, server),
        "tools/call" => server.call(&request.params, progress).await?,
        unknown => return Err(RpcError::method_not_found(unknown)),
    };
    Ok(complete(result))
}

fn discover() -> Map<String, Value> {
    let mut result = Map::new();
    let mut add = |name: &str, value| result.insert(name.to_owned(), value);
    add("supportedVersions", json!(server::supported_versions()));
    add("capabilities", json!({ "tools": { "listChanged": true } }));
    add("instructions", json!(server::INSTRUCTIONS));
    result
}

fn cacheable(mut result: Map<String, Value>, server: &Server) -> Map<String, Value> {
    let fresh_for = if server.may_change() { 0 } else { FRESH_FOR_MS };
    result.insert("ttlMs".to_owned(), json!(fresh_for));
    result.insert("cacheScope".to_owned(), json!("public"));
    result
}

fn complete(mut result: Map<String, Value>) -> Map<String, Value> {
    result.insert("resultType".to_owned(), json!("complete"));
    let mut meta = Map::new();
    meta.insert(SERVER_INFO.to_owned(), server::info());
    result.insert("_meta".to_owned(), Value::Object(meta));
    result
}

/// One `subscriptions/listen`, as far as it is not a matter of transport.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    id: Value,
    tools: bool,
}

impl Subscription {
    pub(super) fn read(request: &Request) -> Result<Self, RpcError> {
        check_meta(&request.params)?;
        let Some(Value::Object(filter)) = request.params.get("notifications") else {
            return Err(RpcError::params("`notifications` must be an object"));
        };
        let tools = match filter.get("toolsListChanged") {
            None => false,
            Some(Value::Bool(wanted)) => *wanted,
            Some(_) => return Err(RpcError::params("`toolsListChanged` must be a boolean")),
        };
        let id = request.id.clone();
        Ok(Self { id, tools })
    }

    pub(super) const fn wants_tools(&self) -> bool {
        self.tools
    }

    /// The first message: what this server will tell of.
    pub(super) fn acknowledged(&self) -> Value {
        let mut honoured = Map::new();
        if self.tools {
            honoured.insert("toolsListChanged".to_owned(), Value::Bool(true));
        }
        let mut params = self.params();
        params.insert("notifications".to_owned(), Value::Object(honoured));
        rpc::notification("notifications/subscriptions/acknowledged", params)
    }

    pub(super) fn list_changed(&self) -> Value {
        rpc::notification("notifications/tools/list_changed", self.params())
    }

    /// The last message, when the server ends the stream.
    pub(super) fn closed(&self) -> Value {
        let mut result = complete(Map::new());
        if let Some(meta) = result.get_mut("_meta").and_then(Value::as_object_mut) {
            meta.insert(SUBSCRIPTION_ID.to_owned(), self.id.clone());
        }
        rpc::answer(&self.id, Ok(result))
    }

    fn params(&self) -> Map<String, Value> {
        let mut meta = Map::new();
        meta.insert(SUBSCRIPTION_ID.to_owned(), self.id.clone());
        let mut params = Map::new();
        params.insert("_meta".to_owned(), Value::Object(meta));
        params
    }
}

/// The request that a client no longer wants answered.
pub(super) fn cancelled(note: &Notification) -> Option<&Value> {
    let is_it = note.method == "notifications/cancelled";
    note.params.get("requestId").filter(|_| is_it)
}
