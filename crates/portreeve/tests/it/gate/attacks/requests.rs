//! What an agent with a grant can send.

use std::time::Duration;

use http::{Method, StatusCode};
use portreeve::clock::Stopwatch;
use portreeve::store::model::NewTools;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::{allowing, tools};
use crate::support::gate::TOKEN;
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

/// What takes the gate longer is a way to stop it.
const PROMPTLY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn many_members_cost_no_more_than_their_number() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let params: Map<String, Value> = (0..30_000).map(|i| (format!("ü{i}"), json!(0))).collect();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": params });
    let watch = Stopwatch::start();
    let answer = gate.post(body.to_string()).await;
    assert!(watch.elapsed() < PROMPTLY, "{:?}", watch.elapsed());
    assert_eq!(answer.json()["result"], json!({}));
}

#[tokio::test]
async fn headers_of_a_batch_hold_for_each_of_its_messages() {
    let server = TestServer::with_tools(tools(&["a", "b"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}]"#;
    for lie in [("mcp-name", "b"), ("mcp-method", "tools/list")] {
        let headers = [("mcp-protocol-version", "2025-03-26"), lie];
        let answer = gate.post_with(&headers, batch).await.json();
        assert_eq!(answer[0]["error"]["code"], -32020, "{lie:?}: {answer}");
    }
    assert!(server.seen("").is_empty(), "a header that nobody judged");
}

#[tokio::test]
async fn what_a_batch_may_not_hold_is_booked() {
    let server = TestServer::with_tools(tools(&["a"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["a"])).await;
    server.forget();
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]"#;
    let headers = [("mcp-protocol-version", "2025-03-26")];
    let answer = gate.post_with(&headers, batch).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()[0]["error"]["code"], -32600);
    assert!(server.seen("").is_empty());
    let booked = gate.booked().pop().unwrap();
    assert_eq!(
        (booked.method.as_str(), booked.end.outcome.as_str()),
        ("initialize", "deny")
    );
}

const MODERN: [(&str, &str); 2] = [
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "subscriptions/listen"),
];

#[tokio::test]
async fn a_subscription_is_judged_as_the_resources_it_names() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "subscriptions/listen" => Script::result(seen, &json!({})),
        _ => plain(seen, &json!([])),
    })
    .await;
    let policy = r#"{"version":"1","default":"deny","resources":{"demo://a":{},
        "demo://b":{"rate_limit":{"max":1,"window":"hour"}}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    server.forget();
    let listen = |notifications: &Value| {
        let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} });
        let params = json!({ "_meta": meta, "notifications": notifications });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params });
        gate.post_with(&MODERN, body.to_string())
    };
    for refused in [
        json!({ "resourceSubscriptions": ["demo://secret"] }),
        json!({ "resourceSubscriptions": ["demo://a", "demo://secret"] }),
        json!({ "resourceSubscriptions": "demo://secret" }),
        json!({ "resourceSubscriptions": [{ "uri": "demo://secret" }] }),
        json!({ "ResourceSubscriptions": ["demo://secret"] }),
        json!(["demo://secret"]),
    ] {
        let answer = listen(&refused).await.json();
        assert_eq!(answer["error"]["code"], 40300, "{refused}: {answer}");
    }
    assert!(server.seen("subscriptions/listen").is_empty());
    for allowed in [
        json!({ "toolsListChanged": true }),
        json!({ "resourceSubscriptions": ["demo://a", "demo://b"] }),
    ] {
        let answer = listen(&allowed).await.json();
        assert_eq!(answer["result"], json!({}), "{allowed}");
    }
    let counted = json!({ "resourceSubscriptions": ["demo://b"] });
    let rule = &listen(&counted).await.json()["error"]["data"]["rule"];
    assert_eq!(rule, "/resources/demo:~1~1b/rate_limit");
}

#[tokio::test]
async fn a_method_in_disguise_is_not_left_to_the_default() {
    let server = TestServer::with_tools(tools(&["a", "b"])).await;
    let policy = r#"{"version":"1","default":"allow","tools":{"b":{"action":"deny"}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    server.forget();
    for method in ["Tools/Call", "tools/call ", "TOOLS/CALL", "/tools/call"] {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "b" } });
        let answer = gate.post(body.to_string()).await.json();
        assert_eq!(
            answer["error"]["data"]["rule"], "(malformed)",
            "{method}: {answer}"
        );
    }
    assert!(server.seen("").is_empty());
}

/// Headers that no message of a legacy conversation has, or that say two things.
#[tokio::test]
async fn headers_that_nobody_judged_do_not_reach_the_server() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    server.forget();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let headers = [
        ("mcp-param-region", "eu"),
        ("last-event-id", "7"),
        ("cookie", "a=b"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-http-method-override", "DELETE"),
        ("forwarded", "for=127.0.0.1"),
    ];
    let passed = gate.post_with(&headers, call).await;
    assert_eq!(passed.json()["result"]["content"][0]["text"], "ok");
    let seen = server.seen("tools/call").remove(0);
    for (name, _) in headers {
        assert_eq!(seen.header(name), None, "{name}");
    }
    server.forget();
    let twice = [("mcp-param-region", "eu"), ("mcp-param-region", "us")];
    let refused = gate.post_with(&twice, call).await;
    assert_eq!(refused.json()["error"]["code"], -32020);
    assert!(server.seen("").is_empty());
}

#[tokio::test]
async fn a_session_does_not_follow_a_name_to_another_server() {
    let script = |seen: &Seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "secret-of-the-first".to_owned())];
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        _ => plain(seen, &tools(&["t"])),
    };
    let first = TestServer::start(script).await;
    let gate = TestGate::start(&first.url(), &allowing(&["t"])).await;
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let session = gate.post(hello).await.session();

    let second = TestServer::with_tools(tools(&["t"])).await;
    gate.clock.advance(Duration::from_secs(1));
    let (store, name) = (&gate.node.house.store, "s".parse().unwrap());
    store.remove_server(&name).await.unwrap();
    gate.add_server("s", &second.url(), NewTools::Quarantine)
        .await;
    let routes = [(name, Some("p".parse().unwrap()))].into();
    let label = "tester".parse().unwrap();
    let shadows = std::collections::BTreeMap::new();
    let rewriting = store.rewrite_grant(&label, routes, shadows, None);
    rewriting.await.unwrap();
    gate.node.gate.reload().await.unwrap();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let stale = gate.post_with(&[("mcp-session-id", &session)], ping).await;
    assert_eq!(stale.status, StatusCode::NOT_FOUND);
    assert_eq!(gate.post(ping).await.json()["result"], json!({}));
    let told = |seen: &Seen| seen.header("mcp-session-id").is_some();
    assert!(!second.seen("").iter().any(told));
}

/// Paths and targets that could be read as another server's, or as none of ours.
#[tokio::test]
async fn a_path_means_one_server() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    gate.add_server("other", &server.url(), NewTools::Quarantine)
        .await;
    gate.node.gate.take_first_lists().await;
    server.forget();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for path in [
        "/mcp/other",
        "/mcp/s/../other",
        "/mcp/other/",
        "//mcp/s",
        "/mcp//s",
        "/mcp/s/",
        "/mcp/S",
        "/mcp/%73",
        "/mcp/s%2f",
        "/mcp/s%00",
        "/mcp/s;x",
        "/mcp/../mcp/s",
        "/MCP/s",
        "/mcps",
        "/",
        "/mcp/.",
        "/mcp/..",
    ] {
        let answer = gate.send(Method::POST, path, &[], ping).await;
        let refused = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&answer.status);
        assert!(refused, "{path}: {}", answer.status);
    }
    assert!(server.seen("").is_empty());
    let passes = gate
        .send(Method::POST, "/mcp/s?x=/mcp/other", &[], ping)
        .await;
    assert_eq!(passes.json()["result"], json!({}));
}

/// Whole requests as a smuggler writes them: answered once, and nothing of them forwarded.
#[tokio::test]
async fn requests_with_two_readings_are_refused() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    server.forget();
    let address = gate.node.address();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let length = body.len();
    let json = "content-type: application/json\r\n";
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    let own = format!("host: {address}\r\n");
    for (target, headers) in [
        ("/mcp/s", format!("{own}{own}content-length: {length}\r\n")),
        (
            "/mcp/s",
            format!("{own}content-length: {length}\r\ncontent-length: 1\r\n"),
        ),
        ("/mcp/s", format!("{own}content-length: +{length}\r\n")),
        (
            "/mcp/s",
            format!("{own}transfer-encoding: chunked, identity\r\n"),
        ),
        ("/mcp/s", format!("{own}transfer-encoding: xchunked\r\n")),
        ("/mcp/s", format!("{own}content-length : {length}\r\n")),
        ("/mcp/s", format!("{own}{auth}content-length: {length}\r\n")),
        (
            "http://evil.example/mcp/s",
            format!("{own}content-length: {length}\r\n"),
        ),
        (
            "http://x@127.0.0.1/mcp/s",
            format!("{own}content-length: {length}\r\n"),
        ),
        (
            "/mcp/s",
            format!("host: evil.example\r\ncontent-length: {length}\r\n"),
        ),
        (
            "/mcp/s",
            format!("{own}origin: null\r\ncontent-length: {length}\r\n"),
        ),
        (
            "/mcp/s",
            format!("{own}origin: http://evil.example\r\ncontent-length: {length}\r\n"),
        ),
        ("/mcp/s", format!("content-length: {length}\r\n")),
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\n{headers}{json}{auth}connection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Whoever writes on after a refusal may find the connection reset.
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{request}\n{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request}\n{answer}");
    }
    assert!(server.seen("").is_empty(), "{:?}", server.seen(""));
}

#[tokio::test]
async fn reaching_for_what_is_anothers_is_booked() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    server.forget();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let stolen = [("mcp-session-id", "00000000000000000000000000000000")];
    for (method, path, headers, booked_as) in [
        (Method::POST, "/mcp/payroll", &[][..], "(visit)"),
        (Method::GET, "/mcp/payroll", &[], "(visit)"),
        (Method::POST, "/mcp/s", &stolen, "(session)"),
        (Method::GET, "/mcp/s", &stolen, "(session)"),
        (Method::DELETE, "/mcp/s", &stolen, "(session)"),
    ] {
        let before = gate.booked().len();
        gate.send(method, path, headers, ping).await;
        let booked = gate.booked();
        assert_eq!(booked.len(), before + 1, "{path} {booked_as}");
        let last = booked.last().unwrap();
        assert_eq!(
            (last.method.as_str(), last.end.outcome.as_str()),
            (booked_as, "deny")
        );
        assert_eq!(last.grant, "tester");
        assert_eq!(last.server.as_deref(), path.strip_prefix("/mcp/"));
    }
    assert!(server.seen("").is_empty());
}
