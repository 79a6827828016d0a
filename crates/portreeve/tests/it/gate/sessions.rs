//! What belongs to a session: its questions, its events, its end.

use std::sync::Arc;

use http::StatusCode;
use portreeve::gate::Status;
use portreeve::ledger::Ledger;
use serde_json::json;

use super::{allowing, tools};
use crate::support::beside::{Beside, read_to_its_end};
use crate::support::ledger::Brittle;
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

/// The answer to `initialize` that opens a session.
fn opened(seen: &Seen, session: &str) -> Script {
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
    let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
    let session = vec![("mcp-session-id", session.to_owned())];
    Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
}

/// A server that asks for the client's roots in the middle of every call.
async fn curious() -> TestServer {
    TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => opened(seen, "theirs-0001"),
        "tools/call" => Script::events(&[
            "data: {\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"method\":\"roots/list\"}\n\n",
            "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n",
        ]),
        _ => plain(seen, &tools(&["t"])),
    })
    .await
}

async fn session_with(gate: &Beside) -> String {
    let reply = gate.post(&[], HELLO).await;
    reply.session.expect("a session").as_str().to_owned()
}

#[tokio::test]
async fn an_answer_that_never_left_may_be_given_again() {
    let server = curious().await;
    let whole = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let brittle = Brittle::over(&whole);
    let ledger = Arc::clone(&brittle) as Arc<dyn Ledger>;
    let gate = whole.beside(|footing| footing.ledger = ledger).await;
    let session = session_with(&gate).await;
    let headers = [("mcp-session-id", session.as_str())];
    let events = read_to_its_end(gate.post(&headers, CALL).await).await;
    assert!(events.contains("roots/list"), "{events}");
    let answer = r#"{"jsonrpc":"2.0","id":"q1","result":{"roots":[]}}"#;

    brittle.break_down(true);
    let unbooked = gate.post(&headers, answer).await;
    assert_eq!(unbooked.status, Status::Unavailable);
    brittle.break_down(false);
    server.forget();
    assert_eq!(gate.post(&headers, answer).await.status, Status::Accepted);
    assert_eq!(server.seen("")[0].body, answer);
    // Now it has left.
    assert_eq!(gate.post(&headers, answer).await.status, Status::Forbidden);

    read_to_its_end(gate.post(&headers, CALL).await).await;
    server.vanish().await;
    for _ in 0..2 {
        let unreached = gate.post(&headers, answer).await;
        assert_eq!(unreached.status, Status::Unavailable);
        assert_eq!(whole.booked().pop().unwrap().end.outcome, "not_sent");
    }
}
