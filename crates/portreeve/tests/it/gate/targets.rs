//! What is judged as something else's: completions, subscriptions, templates. And who asks.

use http::StatusCode;
use serde_json::{Value, json};

use super::tools;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

async fn server() -> TestServer {
    TestServer::start(|seen| match seen.rpc_method().as_str() {
        "completion/complete" => Script::result(seen, &json!({ "completion": { "values": [] } })),
        "resources/subscribe" | "resources/unsubscribe" => Script::result(seen, &json!({})),
        "resources/templates/list" => Script::result(
            seen,
            &json!({ "resourceTemplates": [
                { "uriTemplate": "file:///public/{name}", "name": "p" },
                { "uriTemplate": "file:///private/{name}", "name": "q" } ] }),
        ),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

const TARGETS: &str = r#"{"version":"1","default":"deny",
    "tools":{"t":{}},
    "resources":{"file:///public/**":{"action":"allow"}},
    "prompts":{"free":{},"guarded":{
        "deny_if":[{"conditions":[{"path":"args.topic","op":"starts_with","value":"secret"}]}],
        "require":[{"conditions":[{"path":"args.lang","op":"in","value":["en","de"]}]}]}}}"#;

async fn rule(gate: &TestGate, method: &str, params: &Value) -> Option<String> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = gate.post(body.to_string()).await;
    let message = answer.json();
    let rule = message["error"]["data"]["rule"].as_str();
    assert_eq!(rule.is_none(), message.get("result").is_some(), "{message}");
    rule.map(str::to_owned)
}

#[tokio::test]
async fn a_completion_is_judged_as_its_prompt_with_what_is_known_of_its_arguments() {
    let server = server().await;
    let gate = TestGate::start(&server.url(), TARGETS).await;
    server.forget();
    let settled = json!({ "arguments": { "lang": "en" } });
    let topic = |value: &str| json!({ "name": "topic", "value": value });
    for (name, argument, context, expected) in [
        ("free", topic("secret"), None, None),
        ("other", topic("x"), None, Some("(default deny)")),
        ("guarded", topic("x"), Some(&settled), None),
        (
            "guarded",
            topic("secrets"),
            Some(&settled),
            Some("/prompts/guarded/deny_if/0"),
        ),
        (
            "guarded",
            topic("x"),
            None,
            Some("/prompts/guarded/require/0"),
        ),
        (
            "guarded",
            json!({ "name": "lang", "value": "en" }),
            None,
            None,
        ),
        (
            "guarded",
            json!({ "name": "lang", "value": "fr" }),
            None,
            Some("/prompts/guarded/require/0"),
        ),
        // What could be read in two ways is not judged at all.
        (
            "guarded",
            json!({ "name": "lang", "value": "en" }),
            Some(&settled),
            Some("(malformed)"),
        ),
        (
            "guarded",
            json!({ "name": "topic" }),
            Some(&settled),
            Some("(malformed)"),
        ),
        (
            "guarded",
            json!({ "name": "topic", "value": 1 }),
            Some(&settled),
            Some("(malformed)"),
        ),
        (
            "guarded",
            json!({ "name": "topic", "value": "x", "Value": "secret" }),
            Some(&settled),
            Some("(malformed)"),
        ),
        (
            "guarded",
            json!("topic"),
            Some(&settled),
            Some("(malformed)"),
        ),
        ("guarded", topic("x"), Some(&json!([])), Some("(malformed)")),
        (
            "guarded",
            topic("x"),
            Some(&json!({ "arguments": 1 })),
            Some("(malformed)"),
        ),
    ] {
        let mut params =
            json!({ "ref": { "type": "ref/prompt", "name": name }, "argument": argument });
        if let Some(context) = context {
            params["context"] = context.clone();
        }
        let decided = rule(&gate, "completion/complete", &params).await;
        assert_eq!(decided.as_deref(), expected, "{params}");
    }
    let without = json!({ "ref": { "type": "ref/prompt", "name": "free" } });
    let decided = rule(&gate, "completion/complete", &without).await;
    assert_eq!(decided.as_deref(), Some("(malformed)"));
    assert_eq!(server.seen("completion/complete").len(), 3);
}

#[tokio::test]
async fn templates_and_subscriptions_are_judged_as_their_resources() {
    let server = server().await;
    let gate = TestGate::start(&server.url(), TARGETS).await;
    server.forget();
    for (uri, expected) in [
        ("file:///public/{name}", None),
        ("file:///private/{name}", Some("(default deny)")),
        ("file:///public/%2e%2e/private/{name}", Some("(malformed)")),
    ] {
        let params = json!({ "ref": { "type": "ref/resource", "uri": uri },
            "argument": { "name": "name", "value": "a" } });
        let decided = rule(&gate, "completion/complete", &params).await;
        assert_eq!(decided.as_deref(), expected, "{uri}");
        for method in ["resources/subscribe", "resources/unsubscribe"] {
            let uri = uri.replace("{name}", "a");
            let decided = rule(&gate, method, &json!({ "uri": uri })).await;
            assert_eq!(decided.as_deref(), expected, "{method} {uri}");
        }
    }
    for reference in [
        json!({ "type": "ref/tool", "name": "t" }),
        json!("x"),
        Value::Null,
    ] {
        let params = json!({ "ref": reference, "argument": { "name": "n", "value": "v" } });
        let decided = rule(&gate, "completion/complete", &params).await;
        assert_eq!(decided.as_deref(), Some("(malformed)"), "{params}");
    }
    assert_eq!(server.seen("").len(), 3, "nothing refused reached it");

    let list = r#"{"jsonrpc":"2.0","id":1,"method":"resources/templates/list"}"#;
    let listed = gate.post(list).await.json();
    let listed = listed["result"]["resourceTemplates"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["uriTemplate"], "file:///public/{name}");

    let watching = |uri: &str| json!({ "notifications": { "resourceSubscriptions": ["file:///public/a", uri] } });
    let refused = watching("file:///private/a");
    let decided = rule(&gate, "subscriptions/listen", &refused).await;
    assert_eq!(decided.as_deref(), Some("(default deny)"));
}

const ABOUT_CLIENTS: &str = r#"{"version":"1","default":"deny","tools":{"t":{
    "deny_if":[{"conditions":[{"path":"client.name","op":"eq","value":"rogue"}]},
               {"conditions":[{"path":"client.version","op":"starts_with","value":"0."}]}]}}}"#;

#[tokio::test]
async fn a_client_is_who_it_said_it_was_when_its_session_began() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result = json!({ "protocolVersion": "2025-11-25" });
            let answer = json!({ "jsonrpc": "2.0", "id": 0, "result": result }).to_string();
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            if seen.json()["params"]["stream"] == true {
                let event = format!("data: {answer}\n\n");
                let (sender, receiver) = tokio::sync::mpsc::channel(1);
                sender.try_send(event.into()).unwrap();
                return Script::Stream(session, receiver);
            }
            Script::Json(StatusCode::OK, session, answer.into_bytes())
        }
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), ABOUT_CLIENTS).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    for (info, expected) in [
        (
            json!({ "name": "rogue", "version": "1" }),
            Some("/tools/t/deny_if/0"),
        ),
        (
            json!({ "name": "cursor", "version": "0.1" }),
            Some("/tools/t/deny_if/1"),
        ),
        (json!({ "name": "cursor", "version": "1" }), None),
        (json!({}), None),
    ] {
        for stream in [false, true] {
            let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info, "stream": stream } });
            let session = gate.post(hello.to_string()).await.session();
            let answer = gate.post_with(&[("mcp-session-id", &session)], call).await;
            let rule = answer.decision()["rule"].clone();
            assert_eq!(rule.as_str(), expected, "{info} {stream}");
        }
    }
}

#[tokio::test]
async fn a_modern_client_introduces_itself_with_every_request() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), ABOUT_CLIENTS).await;
    for (name, expected) in [("rogue", Some("/tools/t/deny_if/0")), ("cursor", None)] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "t", "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": { "name": name, "version": "1" } } } });
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "t"),
        ];
        let answer = gate.post_with(&headers, body.to_string()).await;
        let rule = answer.decision()["rule"].clone();
        assert_eq!(rule.as_str(), expected, "{}", answer.text());
        assert!(answer.json().get("result").is_some(), "{}", answer.text());
    }
}
