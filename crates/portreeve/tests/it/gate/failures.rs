//! Servers that are dead, slow, talk nonsense, stop in the middle or never stop.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portreeve::gate::{Payload, Status};
use portreeve::ledger::Ledger;
use serde_json::json;
use tokio::sync::mpsc;

use super::{allowing, tools};
use crate::support::ledger::Brittle;
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

/// A server that is ordinary but for its answers to `tools/call`.
async fn failing(answer: impl Fn() -> Script + Send + Sync + 'static) -> (TestServer, TestGate) {
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" => answer(),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    (server, gate)
}

async fn refusal_of(answer: impl Fn() -> Script + Send + Sync + 'static) -> (i64, String) {
    let (_server, gate) = failing(answer).await;
    let answer = gate.call("t", json!({})).await;
    let text = answer.text();
    let message = if text.starts_with('{') {
        answer.json()
    } else {
        answer.events().pop().unwrap()
    };
    assert_eq!(message["jsonrpc"], "2.0");
    assert_eq!(message["id"], 1, "{message}");
    assert_eq!(message["error"]["data"]["may_have_run"], true, "{message}");
    // The answer to a stream comes before its end is booked.
    let mut last = gate.booked().pop().unwrap();
    for _ in 0..200 {
        if last.end.outcome != "unknown" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        last = gate.booked().pop().unwrap();
    }
    assert_eq!(last.end.outcome, "failed", "{last:?}");
    let words = message["error"]["message"].as_str().unwrap().to_owned();
    (message["error"]["code"].as_i64().unwrap(), words)
}

#[tokio::test]
async fn nonsense_is_said_to_be_nonsense() {
    let bodies: &[&str] = &[
        "",
        "nonsense",
        "[]",
        "{}",
        "null",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"Result":{"evil":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":"text"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}"#,
    ];
    for body in bodies {
        let (code, words) = refusal_of(|| Script::json(*body)).await;
        assert_eq!(code, 50200, "{body}: {words}");
    }
    let (code, words) =
        refusal_of(|| Script::Typed(StatusCode::OK, "text/html", b"<html>".to_vec())).await;
    assert!(
        code == 50200 && words.contains("neither JSON nor a stream"),
        "{words}"
    );
    let (code, words) = refusal_of(|| Script::Status(StatusCode::INTERNAL_SERVER_ERROR)).await;
    assert!(code == 50200 && words.contains("500"), "{words}");
    let (code, _) = refusal_of(|| Script::Status(StatusCode::FOUND)).await;
    assert_eq!(code, 50200, "a redirect is not followed");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (code, words) = refusal_of(|| Script::Silence).await;
    assert!(code == 50400 && words.contains("within 2 s"), "{words}");
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let (code, words) = refusal_of(|| {
        let text = "x".repeat(2 * 1024 * 1024);
        Script::json(json!({ "jsonrpc": "2.0", "id": 1, "result": { "x": text } }).to_string())
    })
    .await;
    assert!(code == 50200 && words.contains("larger than"), "{words}");
    let (code, words) = refusal_of(|| {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            while sender
                .send(Bytes::from("data: xxxxxxxxxxxxxxxx".repeat(1_000)))
                .await
                .is_ok()
            {}
        });
        Script::Stream(Vec::new(), receiver)
    })
    .await;
    assert!(code == 50200 && words.contains("larger than"), "{words}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    for chunks in [
        &[][..],
        &[": comment\n\n"],
        &["data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n"],
        &["data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\n"],
        &["data: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n\n"],
        &["data: nonsense\n\n"],
        &["data: \u{1}\n\n"],
    ] {
        let (code, words) = refusal_of(|| Script::events(chunks)).await;
        assert_eq!(code, 50200, "{chunks:?}: {words}");
    }
}

#[tokio::test]
async fn one_dead_server_does_not_hinder_another() {
    let (_dead, gate) = failing(|| Script::Silence).await;
    let alive = TestServer::with_tools(tools(&["t"])).await;
    gate.add_server(
        "alive",
        &alive.url(),
        portreeve::store::model::NewTools::Quarantine,
    )
    .await;
    let token = "alive-token-0123456789-abcdefghijklmno";
    gate.add_grant("alive", token, &[("alive", Some("p"))])
        .await;
    let auth = format!("Bearer {token}");
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
    let headers = [("authorization", auth.as_str())];
    let hanging = gate.call("t", json!({}));
    let quick = gate.send(http::Method::POST, "/mcp/alive", &headers, body);
    let (hanging, quick) = tokio::join!(hanging, quick);
    assert_eq!(quick.json()["result"]["content"][0]["text"], "ok");
    assert_eq!(hanging.json()["error"]["code"], 50400);
}

#[tokio::test]
async fn what_cannot_be_booked_is_not_forwarded_and_not_charged() {
    let server = TestServer::with_tools(tools(&["t"])).await;
    let policy =
        r#"{"version":"1","default":"deny","tools":{"t":{"rate_limit":{"max":2,"window":60}}}}"#;
    let whole = TestGate::start(&server.url(), policy).await;
    let brittle = Brittle::over(&whole);
    let ledger = Arc::clone(&brittle) as Arc<dyn Ledger>;
    let gate = whole.beside(|footing| footing.ledger = ledger).await;
    let post = |method: &str| {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": "t" } });
        gate.post(&[], body.to_string())
    };
    server.forget();
    brittle.break_down(true);
    for method in [
        "tools/call",
        "tools/call",
        "tools/call",
        "tools/list",
        "ping",
        "x/unknown",
    ] {
        let reply = post(method).await;
        assert_eq!(reply.status, Status::Unavailable, "{method}");
    }
    assert!(gate.gate.ready().is_err());
    // The gate itself may look at a server's tools.
    let callers = |seen: &Seen| seen.json()["id"] == 1 && seen.rpc_method() != "initialize";
    assert!(
        !server.seen("").iter().any(callers),
        "INVARIANT 6: nothing is forwarded that was not booked"
    );
    brittle.break_down(false);
    for passes in [true, true, false] {
        let Payload::Message(message) = post("tools/call").await.payload else {
            panic!()
        };
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert_eq!(
            message["result"]["isError"] != true,
            passes,
            "charges were given back"
        );
    }
}
