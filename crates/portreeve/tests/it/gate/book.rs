//! What the book tells of a call.

use std::process::Command;

use portreeve::ledger::BookedCall;
use serde_json::json;

use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

async fn library() -> TestGate {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        method if method.starts_with("resources/") || method == "prompts/get" => {
            Script::result(seen, &json!({}))
        }
        _ => plain(seen, &json!([])),
    })
    .await;
    let policy = r#"{"version":"1","default":"allow"}"#;
    TestGate::start(&server.url(), policy).await
}

async fn asked(gate: &TestGate, method: &str, params: serde_json::Value) -> BookedCall {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    gate.post(body.to_string()).await;
    gate.booked().pop().unwrap()
}

#[tokio::test]
async fn resources_and_prompts_are_named_without_their_secrets() {
    let gate = library().await;
    let uri = "https://bob:s3cret@example.com/doc?token=s3cret#s3cret";
    let mut macs = Vec::new();
    for (method, uri) in [
        ("resources/read", uri),
        ("resources/subscribe", uri),
        ("resources/read", "https://example.com/doc?token=s3cret-too"),
    ] {
        let call = asked(&gate, method, json!({ "uri": uri })).await;
        assert_eq!(call.target.as_deref(), Some("https://example.com/doc"));
        macs.push(call.target_mac.unwrap());
    }
    assert_eq!(macs[0], macs[1]);
    assert_ne!(macs[0], macs[2]);
    // What is refused is named in the same way.
    let refused = asked(&gate, "resources/read", json!({ "uri": "s3cret" })).await;
    assert_eq!(refused.end.outcome, "deny");
    assert_eq!(refused.target.as_deref(), Some("(not a URI)"));

    let plain = asked(&gate, "resources/read", json!({ "uri": "memo:x" })).await;
    assert_eq!(
        (plain.target.as_deref(), plain.target_mac),
        (Some("memo:x"), None)
    );
    let prompt = asked(&gate, "prompts/get", json!({ "name": "greet" })).await;
    assert_eq!(prompt.target.as_deref(), Some("greet"));
    let completed = json!({ "ref": { "type": "ref/prompt", "name": "greet" },
        "argument": { "name": "who", "value": "A" } });
    let completed = asked(&gate, "completion/complete", completed).await;
    assert_eq!(completed.target.as_deref(), Some("greet"));
    let tool = asked(&gate, "tools/call", json!({ "name": "t" })).await;
    assert_eq!((tool.tool.as_deref(), tool.target), (Some("t"), None));

    for segment in std::fs::read_dir(gate.ledger_dir()).unwrap() {
        let text = std::fs::read_to_string(segment.unwrap().path()).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn the_book_is_asked_for_a_resource_by_its_uri() {
    let gate = library().await;
    for uri in [
        "https://example.com/doc?page=1",
        "https://example.com/other",
    ] {
        asked(&gate, "resources/read", json!({ "uri": uri })).await;
    }
    asked(&gate, "prompts/get", json!({ "name": "greet" })).await;
    for (target, what) in [
        (
            "https://bob@example.com/doc?page=2",
            "resources/read https://example.com/doc",
        ),
        ("greet", "prompts/get greet"),
    ] {
        let listed = Command::new(env!("CARGO_BIN_EXE_portreeve"))
            .args(["ledger", "query", "--target", target, "--data-dir"])
            .arg(gate.dir.path())
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let rows: Vec<&str> = listed.lines().skip(1).collect();
        assert_eq!(rows.len(), 1, "{listed}");
        assert!(rows[0].contains(what), "{listed}");
    }
}
