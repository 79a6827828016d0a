//! The methods of the revisions up to 2025-11-25, which begin with a handshake.
//!
//! A request without a handshake is answered too: there is nothing that this server would have to
//! learn from it.

use serde_json::{Map, Value, json};

use super::progress::Progress;
use super::rpc::{self, INVALID_REQUEST, Incoming, Request, RpcError};
use super::server::{self, Server};

/// The newest first.
pub(super) const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The only revision with batches, and what a request without a version header is taken for.
pub(super) const BATCHING: &str = "2025-03-26";

const LOG_LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
const LONGEST_BATCH: usize = 100;

type Outcome = Result<Map<String, Value>, RpcError>;

pub(super) async fn answer(server: &Server, request: &Request, progress: &mut Progress) -> Outcome {
    match request.method.as_str() {
        "initialize" => initialize(&request.params),
        "ping" => Ok(Map::new()),
        "logging/setLevel" => set_level(&request.params),
        "tools/list" => server.list(&request.params),
        "tools/call" => server.call(&request.params, progress).await,
        unknown => Err(RpcError::method_not_found(unknown)),
    }
}

fn initialize(params: &Map<String, Value>) -> Outcome {
    let Some(asked) = params.get("protocolVersion").and_then(Value::as_str) else {
        return Err(RpcError::params("`protocolVersion` must be a string"));
    };
    let [newest, ..] = VERSIONS;
    let known = VERSIONS.into_iter().find(|version| *version == asked);
    let mut result = Map::new();
    let mut add = |name: &str, value| result.insert(name.to_owned(), value);
    add("protocolVersion", json!(known.unwrap_or(newest)));
    add("serverInfo", server::info());
    add("instructions", json!(server::INSTRUCTIONS));
    add(
        "capabilities",
        json!({ "tools": { "listChanged": true }, "logging": {} }),
    );
    Ok(result)
}

/// Takes note of nothing: this server has no log to send. Clients ask for it all the same.
fn set_level(params: &Map<String, Value>) -> Outcome {
    let level = params.get("level").and_then(Value::as_str);
    if level.is_some_and(|level| LOG_LEVELS.contains(&level)) {
        return Ok(Map::new());
    }
    Err(RpcError::params("`level` is not a log level"))
}

/// Answers the requests of a batch one after the other; nothing if there was none.
pub(super) async fn answer_batch(server: &Server, batch: Vec<Value>) -> Option<Value> {
    if batch.is_empty() || batch.len() > LONGEST_BATCH {
        let error = RpcError::new(INVALID_REQUEST, "A batch has 1 to 100 messages");
        return Some(rpc::refuse(None, error));
    }
    let mut answers = Vec::new();
    for message in batch {
        match rpc::read(message) {
            Ok(Incoming::Request(request)) => {
                let outcome = if request.method == "initialize" {
                    let why = "initialize cannot be part of a batch";
                    Err(RpcError::new(INVALID_REQUEST, why))
                } else {
                    answer(server, &request, &mut Progress::default()).await
                };
                answers.push(rpc::answer(&request.id, outcome));
            }
            Ok(Incoming::Notification(_) | Incoming::Response) => {}
            Err((id, error)) => answers.push(rpc::refuse(id.as_ref(), error)),
        }
    }
    (!answers.is_empty()).then_some(Value::Array(answers))
}

pub(super) fn list_changed() -> Value {
    rpc::notification("notifications/tools/list_changed", Map::new())
}
