//! JSON-RPC as both eras speak it: reading one message, writing an answer.

use serde_json::{Map, Value, json};

/// A message from the client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Incoming {
    Request(Request),
    Notification(Notification),
    /// An answer to a request of ours; this server never asks.
    Response,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notification {
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// The `error` member of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RpcError {
    pub(super) code: i32,
    message: String,
    data: Option<Value>,
}

pub(super) const PARSE_ERROR: i32 = -32700;
pub(super) const INVALID_REQUEST: i32 = -32600;
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
pub(super) const INVALID_PARAMS: i32 = -32602;
pub(super) const HEADER_MISMATCH: i32 = -32020;
pub(super) const UNSUPPORTED_VERSION: i32 = -32022;

impl RpcError {
    pub(super) fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(super) fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    pub(super) fn method_not_found(method: &str) -> Self {
        Self::new(METHOD_NOT_FOUND, format!("Method not found: {method}"))
    }

    pub(super) fn unsupported_version(requested: &str) -> Self {
        Self {
            data: Some(json!({
                "supported": super::server::supported_versions(),
                "requested": requested,
            })),
            ..Self::new(UNSUPPORTED_VERSION, "Unsupported protocol version")
        }
    }
}

pub(super) fn answer(id: &Value, outcome: Result<Map<String, Value>, RpcError>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => refuse(Some(id), error),
    }
}

/// An error answer; without an id when none could be read.
pub(super) fn refuse(id: Option<&Value>, error: RpcError) -> Value {
    let mut body = json!({ "code": error.code, "message": error.message });
    if let (Some(data), Some(members)) = (error.data, body.as_object_mut()) {
        members.insert("data".to_owned(), data);
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": body })
}

pub(super) fn notification(method: &str, params: Map<String, Value>) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "method": method });
    if let (false, Some(members)) = (params.is_empty(), message.as_object_mut()) {
        members.insert("params".to_owned(), Value::Object(params));
    }
    message
}

/// Reads one message; the error comes with the id to answer, if there is one.
pub(super) fn read(message: Value) -> Result<Incoming, (Option<Value>, RpcError)> {
    let Value::Object(mut members) = message else {
        return Err(invalid(None, "a message is a JSON object"));
    };
    let id = members.remove("id");
    let legal_id = id.clone().filter(|id| id.is_string() || id.is_number());
    if members.get("jsonrpc") != Some(&json!("2.0")) {
        return Err(invalid(legal_id, "`jsonrpc` must be \"2.0\""));
    }
    let method = match members.remove("method") {
        Some(Value::String(method)) => method,
        None if members.contains_key("result") || members.contains_key("error") => {
            return Ok(Incoming::Response);
        }
        _ => return Err(invalid(legal_id, "`method` must be a string")),
    };
    let params = match members.remove("params") {
        None => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(invalid(legal_id, "`params` must be an object")),
    };
    match (id, legal_id) {
        (None, _) => Ok(Incoming::Notification(Notification { method, params })),
        (Some(_), Some(id)) => Ok(Incoming::Request(Request { id, method, params })),
        (Some(_), None) => Err(invalid(None, "`id` must be a string or a number")),
    }
}

fn invalid(id: Option<Value>, why: &str) -> (Option<Value>, RpcError) {
    let message = format!("Invalid request: {why}");
    (id, RpcError::new(INVALID_REQUEST, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_refused_with_the_id_it_has() {
        let cases = [
            (json!([]), None),
            (json!({ "jsonrpc": "2.0", "id": 1 }), Some(json!(1))),
            (json!({ "id": "a", "method": "ping" }), Some(json!("a"))),
            (
                json!({ "jsonrpc": "2.0", "id": null, "method": "ping" }),
                None,
            ),
            (
                json!({ "jsonrpc": "2.0", "id": 2, "method": "ping", "params": [] }),
                Some(json!(2)),
            ),
        ];
        for (message, id) in cases {
            let (answered, error) = read(message.clone()).unwrap_err();
            assert_eq!((answered, error.code), (id, INVALID_REQUEST), "{message}");
        }
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let request = json!({ "jsonrpc": "2.0", "id": 0, "method": "ping" });
        assert!(matches!(read(request), Ok(Incoming::Request(_))));
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert!(matches!(read(note), Ok(Incoming::Notification(_))));
        let response = json!({ "jsonrpc": "2.0", "id": 0, "result": {} });
        assert!(matches!(read(response), Ok(Incoming::Response)));
    }
}
