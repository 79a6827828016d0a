//! Revision 2026-07-28, over HTTP.

use http::{Method, StatusCode};
use portreeve::demo::Options;
use serde_json::{Value, json};

use super::wire::{Got, Wire};

const VERSION: &str = "2026-07-28";

fn request(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": "m1", "method": method, "params": params })
}

/// The headers that belong to a body.
fn headers(body: &Value) -> Vec<(&str, &str)> {
    let mut headers = vec![("mcp-protocol-version", VERSION)];
    headers.push(("mcp-method", body["method"].as_str().unwrap()));
    if let Some(name) = body["params"]["name"].as_str() {
        headers.push(("mcp-name", name));
    }
    headers
}

async fn ask(wire: &Wire, method: &str, params: Value) -> Got {
    let body = request(method, params);
    wire.post(&headers(&body), &body).await
}

#[tokio::test]
async fn discover_tells_versions_capabilities_and_who_answers() {
    let wire = Wire::start(&Options::default()).await;
    let got = ask(&wire, "server/discover", json!({})).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.header("mcp-session-id"), None);
    let result = &got.json()["result"];
    assert_eq!(result["supportedVersions"][0], VERSION);
    assert_eq!(
        result["capabilities"],
        json!({ "tools": { "listChanged": true } })
    );
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["cacheScope"], "public");
    assert!(result["ttlMs"].is_u64());
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(info["name"], "portreeve-runs");
}

#[tokio::test]
async fn tools_are_listed_and_called_with_results_that_say_they_are_complete() {
    let wire = Wire::start(&Options::default()).await;
    let list = ask(&wire, "tools/list", json!({})).await.json();
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 13);
    assert_eq!(list["result"]["resultType"], "complete");
    assert_eq!(list["result"]["cacheScope"], "public");

    let arguments = json!({ "name": "run-rerun", "arguments": { "runId": 1 } });
    let called = ask(&wire, "tools/call", arguments).await.json();
    assert_eq!(called["result"]["resultType"], "complete");
    assert_eq!(
        called["result"]["structuredContent"]["status"],
        "requested-full"
    );
    let unknown = ask(&wire, "tools/call", json!({ "name": "nope" })).await;
    assert_eq!(
        (unknown.status, unknown.error_code()),
        (StatusCode::OK, -32602)
    );
}

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let wire = Wire::start(&Options::default()).await;
    let body = request(
        "tools/call",
        json!({ "name": "get_run", "arguments": { "run_id": "1" } }),
    );
    let right = headers(&body);
    assert_eq!(wire.post(&right, &body).await.status, StatusCode::OK);
    for (name, wrong) in [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", "tools/list"),
        ("mcp-method", "Tools/Call"),
        ("mcp-name", "delete_run"),
        ("mcp-name", "=?base64?ZGVsZXRlX3J1bg==?="),
        ("mcp-name", "=?base64?!?="),
    ] {
        let others = right.iter().copied().filter(|(known, _)| *known != name);
        let missing: Vec<_> = others.collect();
        let mut disagreeing = missing.clone();
        disagreeing.push((name, wrong));
        for headers in [missing, disagreeing] {
            let got = wire.post(&headers, &body).await;
            assert_eq!(got.status, StatusCode::BAD_REQUEST, "{headers:?}");
            assert_eq!(got.error_code(), -32020, "{headers:?}");
            assert_eq!(got.json()["id"], "m1");
        }
    }
    let mut encoded = right;
    encoded.retain(|(name, _)| *name != "mcp-name");
    encoded.push(("mcp-name", "=?base64?Z2V0X3J1bg==?="));
    assert_eq!(wire.post(&encoded, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_marked_parameter_must_be_in_its_header_too() {
    let wire = Wire::start(&Options::default()).await;
    let with = request(
        "tools/call",
        json!({ "name": "list_runs", "arguments": { "service": "agents" } }),
    );
    let without = request(
        "tools/call",
        json!({ "name": "list_runs", "arguments": {} }),
    );
    for (body, header, fits) in [
        (&with, Some("agents"), true),
        (&with, Some("=?base64?YWdlbnRz?="), true),
        (&with, Some("actions"), false),
        (&with, None, false),
        (&without, None, true),
        (&without, Some("agents"), false),
    ] {
        let mut headers = headers(body);
        headers.extend(header.map(|value| ("Mcp-Param-Service", value)));
        let got = wire.post(&headers, body).await;
        assert_eq!(got.status == StatusCode::OK, fits, "{header:?} {got:?}");
        assert!(fits || got.error_code() == -32020);
    }
}

#[tokio::test]
async fn what_the_body_must_carry_and_which_versions_there_are() {
    let wire = Wire::start(&Options::default()).await;
    let mut body = request("tools/list", json!({}));
    let meta = &mut body["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("1900-01-01");
    let version = [
        ("mcp-protocol-version", "1900-01-01"),
        ("mcp-method", "tools/list"),
    ];
    let got = wire.post(&version, &body).await;
    assert_eq!(
        (got.status, got.error_code()),
        (StatusCode::BAD_REQUEST, -32022)
    );
    let data = &got.json()["error"]["data"];
    assert_eq!(
        (&data["supported"][0], &data["requested"]),
        (&json!(VERSION), &json!("1900-01-01"))
    );

    for key in ["protocolVersion", "clientCapabilities"] {
        let mut body = request("tools/list", json!({}));
        let meta = body["params"]["_meta"].as_object_mut().unwrap();
        meta.remove(&format!("io.modelcontextprotocol/{key}"));
        let got = wire.post(&headers(&body), &body).await;
        assert_eq!(
            (got.status, got.error_code()),
            (StatusCode::BAD_REQUEST, -32602),
            "{key}"
        );
    }
    for gone in ["initialize", "ping", "logging/setLevel", "nope"] {
        let got = ask(&wire, gone, json!({})).await;
        assert_eq!(
            (got.status, got.error_code()),
            (StatusCode::NOT_FOUND, -32601),
            "{gone}"
        );
    }
    for method in [Method::GET, Method::DELETE] {
        let got = wire
            .send(method, &[("mcp-protocol-version", VERSION)], String::new())
            .await;
        assert_eq!(got.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    // A session of the other era means nothing here.
    let body = request("tools/list", json!({}));
    let mut with_session = headers(&body);
    with_session.push(("mcp-session-id", "nobody"));
    assert_eq!(wire.post(&with_session, &body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_subscription_is_acknowledged_told_and_closed_under_its_id() {
    let wire = Wire::start(&Options {
        allow_tool_changes: true,
        ..Options::default()
    })
    .await;
    let wanted =
        json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true } });
    let body = request("subscriptions/listen", wanted);
    let mut stream = wire.stream(&headers(&body), &body).await;
    let id = json!({ "io.modelcontextprotocol/subscriptionId": "m1" });
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        first["params"],
        json!({ "_meta": id, "notifications": { "toolsListChanged": true } })
    );

    let add = json!({ "name": "demo_add_tool", "arguments": { "name": "x", "description": "d" } });
    ask(&wire, "tools/call", add).await;
    let note = stream.next().await.unwrap();
    assert_eq!(note["method"], "notifications/tools/list_changed");
    assert_eq!(note["params"]["_meta"], id);
    let list = ask(&wire, "tools/list", json!({})).await.json();
    assert_eq!(
        list["result"]["ttlMs"], 0,
        "a list that may change is not cached"
    );

    let Wire { handle, .. } = wire;
    handle.stop().await;
    let farewell = stream.next().await.unwrap();
    assert_eq!(farewell["id"], "m1");
    assert_eq!(
        farewell["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        "m1"
    );
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_subscription_to_nothing_here_is_told_nothing() {
    let wire = Wire::start(&Options::default()).await;
    let body = request(
        "subscriptions/listen",
        json!({ "notifications": { "promptsListChanged": true } }),
    );
    let mut stream = wire.stream(&headers(&body), &body).await;
    assert_eq!(
        stream.next().await.unwrap()["params"]["notifications"],
        json!({})
    );
    let bad = request("subscriptions/listen", json!({}));
    let got = wire.post(&headers(&bad), &bad).await;
    assert_eq!(
        (got.status, got.error_code()),
        (StatusCode::BAD_REQUEST, -32602)
    );
}
