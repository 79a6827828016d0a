//! Bad input: refused in the protocol's form, booked, and never forwarded.

use http::StatusCode;
use serde_json::json;

use super::{allowing, tools};
use crate::support::{TestGate, TestServer};

#[tokio::test]
async fn nothing_doubtful_reaches_the_server() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","arguments":{{"x":{}{}}}}}}}"#,
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let bad: &[&[u8]] = &[
        b"",
        b"{",
        b"null",
        b"7",
        b"\"x\"",
        b"\xEF\xBB\xBF{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\"}}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\xFF\"}}",
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a\ud800"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}} {}"#,
        br#"{"id":1,"method":"tools/call","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1e2,"method":"tools/call","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"tools/call","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","m\u0065thod":"ping","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"Method":"ping","method":"tools/call","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"b"},"params":{"name":"a"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Name":"b"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name\u0000":"b"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","Arguments":{}}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":1,"x":2}}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"y":[{"x":1,"\u0078":2}]}}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":"{}"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":null}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["a"]}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a"]}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
        br#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
        br#"{"jsonrpc":"2.0","method":"x/unknown","params":{}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"x/unknown","params":{}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"x"}}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tasks/result","params":{"taskId":"x"}}"#,
        deep.as_bytes(),
    ];
    for (i, body) in bad.iter().enumerate() {
        let before = gate.head_seq();
        let answer = gate.post(body.to_vec()).await;
        let shown = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned();
        let json = answer.json();
        assert_eq!(json["jsonrpc"], "2.0", "{shown}");
        let refused = json["error"]["code"].is_i64() || json["result"]["isError"] == true;
        assert!(refused, "{i} {shown}: {json}");
        assert!(gate.head_seq() > before, "booked: {shown}");
    }
    assert!(
        server.seen("").is_empty(),
        "forwarded: {:?}",
        server.seen("")
    );
    let alive = gate.call("a", json!({})).await;
    assert_eq!(alive.json()["result"]["content"][0]["text"], "ok");
}

#[tokio::test]
async fn a_malformed_tool_call_is_told_to_the_agent_that_made_it() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    let body = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"a","arguments":{"k":1,"k":2}}}"#;
    let answer = gate.post(body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["id"], "x");
    assert_eq!(answer.decision()["rule"], "(malformed)");
    assert!(
        answer.text().contains(r#"the key \"k\" appears twice"#),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn bodies_and_media_types_have_bounds() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    let large = json!({ "x": "y".repeat(1024 * 1024) });
    let answer = gate.call("a", large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = gate
        .post_with(&[("content-type", "text/plain")], "{}")
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = gate
        .post_with(
            &[("content-type", "application/json; charset=utf-16")],
            "{}",
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn batches_belong_to_one_revision() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let batch = r#"[
        {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},
        {"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"b"}},
        {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9}}
    ]"#;
    for version in ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let answer = gate
            .post_with(&[("mcp-protocol-version", version)], batch)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{version}");
    }
    assert!(server.seen("").is_empty());
    let answer = gate
        .post_with(&[("mcp-protocol-version", "2025-03-26")], batch)
        .await
        .json();
    let answers = answer.as_array().unwrap();
    assert_eq!(answers.len(), 2, "{answer}");
    assert_eq!(answers[0]["result"]["content"][0]["text"], "ok");
    assert_eq!(answers[1]["result"]["isError"], true);
    assert_eq!(
        server.seen("tools/call").len(),
        1,
        "each message is judged by itself"
    );
    let modern = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a",
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}]"#;
    for bad in ["[]", "[[]]", "[1]", modern] {
        let answer = gate
            .post_with(&[("mcp-protocol-version", "2025-03-26")], bad)
            .await;
        assert!(answer.text().contains("error"), "{bad}");
    }
    assert_eq!(server.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let server = TestServer::with_tools(tools(&["a", "b"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let call = json!({
        "jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": { "name": "a", "_meta": { "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} } },
    })
    .to_string();
    let version = ("mcp-protocol-version", "2026-07-28");
    let method = ("mcp-method", "tools/call");
    for headers in [
        vec![version, method, ("mcp-name", "b")],
        vec![version, ("mcp-method", "tools/list"), ("mcp-name", "a")],
        vec![version, method],
        vec![version, ("mcp-name", "a")],
        vec![method, ("mcp-name", "a")],
        vec![
            ("mcp-protocol-version", "2025-11-25"),
            method,
            ("mcp-name", "a"),
        ],
    ] {
        let answer = gate.post_with(&headers, call.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(answer.json()["error"]["code"], -32020, "{headers:?}");
        assert_eq!(answer.json()["id"], 5);
    }
    assert!(server.seen("").is_empty());
    let answer = gate
        .post_with(&[version, method, ("mcp-name", "a")], call)
        .await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "ok");
}

#[tokio::test]
async fn forwarded_bytes_are_the_judged_ones() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0,"big":123456789012345678901234567890,"e":1E+2}}}"#,
        r#"{"params":{"arguments":{"z":1,"a":2},"name":"a","_meta":{"progressToken":"t","x.y/z":{"k":[1, 2]}}},"method":"tools/call","id":"i\u0064","jsonrpc":"2.0"}"#,
        "{\"jsonrpc\" : \"2.0\",\n\t\"id\":1, \"method\":\"tools/call\",\"params\":{\"name\":\"\\u0061\",\"arguments\":{\"s\":\"\\ud83d\\ude00 é \\/\"}},\"unknown\":[null,true]}",
    ] {
        server.forget();
        let answer = gate.post(format!(" {body}\n")).await;
        assert_eq!(
            answer.json()["result"]["content"][0]["text"],
            "ok",
            "{body}"
        );
        assert_eq!(server.seen("tools/call")[0].body, body);
    }
    let seen = server.seen("tools/call").remove(0);
    assert!(
        seen.header("authorization").is_none(),
        "the caller's token never goes upstream"
    );
}

#[tokio::test]
async fn headers_that_mirror_arguments_are_held_against_them() {
    let schema = json!({ "type": "object", "properties": {
        "region": { "type": "string", "x-mcp-header": "Region" } } });
    let tool = |name: &str| json!({ "name": name, "inputSchema": schema });
    let server = TestServer::with_tools(json!([tool("a"), tool("b")])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let call = |name: &str| {
        json!({
            "jsonrpc": "2.0", "id": 5, "method": "tools/call",
            "params": { "name": name, "arguments": { "region": "eu" }, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} } },
        })
        .to_string()
    };
    let with = |name: &'static str, more: &[(&'static str, &'static str)]| {
        let version = ("mcp-protocol-version", "2026-07-28");
        [
            &[version, ("mcp-method", "tools/call"), ("mcp-name", name)],
            more,
        ]
        .concat()
    };
    let lie = [("mcp-param-region", "us")];
    let answer = gate.post_with(&with("a", &lie), call("a")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["code"], -32020);
    let denied = gate.post_with(&with("b", &lie), call("b")).await;
    assert_eq!(
        denied.decision()["rule"],
        "(default deny)",
        "a refused tool tells nothing"
    );
    assert!(server.seen("tools/call").is_empty());
    let truth = [("mcp-param-region", "eu"), ("mcp-param-other", "x")];
    gate.post_with(&with("a", &truth), call("a")).await;
    let seen = server.seen("tools/call").remove(0);
    assert_eq!(seen.header("mcp-param-region"), Some("eu"));
    assert_eq!(seen.header("mcp-param-other"), Some("x"));
}
