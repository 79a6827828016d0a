//! A modern client before a server that is legacy only.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{MODERN, Stream, open_policy, request};
use crate::support::gate::Answer;
use crate::support::server::Seen;
use crate::support::{Script, TestGate, TestServer};

/// Streams, and the ids of the requests that they answer.
type Streams = Arc<Mutex<Vec<(Value, mpsc::Sender<Bytes>)>>>;

/// A server of the older era, with sessions.
#[derive(Clone, Default)]
struct Old {
    opened: Arc<Mutex<usize>>,
    /// Sessions that it has forgotten.
    gone: Arc<Mutex<Vec<String>>>,
    /// The streams of calls that wait, and of clients that listen.
    calls: Streams,
    free: Streams,
}

fn event(message: &Value) -> Bytes {
    Bytes::from(format!("event: message\ndata: {message}\n\n"))
}

impl Old {
    async fn start(&self) -> TestServer {
        let old = self.clone();
        TestServer::start(move |seen| old.answer(seen)).await
    }

    fn answer(&self, seen: &Seen) -> Script {
        let body = seen.json();
        let session = seen.header("mcp-session-id").unwrap_or_default().to_owned();
        if seen.rpc_method() == "initialize" {
            let mut opened = self.opened.lock().unwrap();
            *opened += 1;
            let result = json!({ "protocolVersion": "2025-06-18", "instructions": "be quick",
                "capabilities": { "tools": {}, "tasks": {}, "resources": { "subscribe": true } },
                "serverInfo": { "name": "old", "version": "1" } });
            let answer = json!({ "jsonrpc": "2.0", "id": body["id"], "result": result });
            let session = vec![("mcp-session-id", format!("theirs-{opened}"))];
            return Script::Json(StatusCode::OK, session, answer.to_string().into_bytes());
        }
        if seen.header("mcp-protocol-version") == Some(MODERN) {
            return Script::Status(StatusCode::BAD_REQUEST);
        }
        if session.is_empty() {
            return Script::Status(StatusCode::BAD_REQUEST);
        }
        if self.gone.lock().unwrap().contains(&session) {
            return Script::Status(StatusCode::NOT_FOUND);
        }
        let kept = |streams: &Streams| {
            let (sender, receiver) = mpsc::channel(8);
            streams.lock().unwrap().push((body["id"].clone(), sender));
            Script::Stream(Vec::new(), receiver)
        };
        match (&seen.method, seen.rpc_method().as_str()) {
            (&Method::GET, _) => kept(&self.free),
            (&Method::DELETE, _) => Script::Status(StatusCode::OK),
            (_, "tools/list") => Script::result(
                seen,
                &json!({ "tools": [
                { "name": "t", "inputSchema": { "type": "object" } },
                { "name": "ask", "inputSchema": { "type": "object" } },
                { "name": "slow", "inputSchema": { "type": "object" } } ] }),
            ),
            (_, "tools/call") => match body["params"]["name"].as_str().unwrap() {
                "ask" => {
                    let script = kept(&self.calls);
                    let asked = json!({ "jsonrpc": "2.0", "id": "q", "method": body["params"]["arguments"]["ask"],
                        "params": { "message": "who?", "requestedSchema": { "type": "object" }, "n": 1.5 } });
                    self.send_to_calls(&asked);
                    script
                }
                "slow" => kept(&self.calls),
                _ => Script::result(
                    seen,
                    &json!({ "content": [{ "type": "text", "text": session }] }),
                ),
            },
            (_, "resources/subscribe" | "logging/setLevel") => Script::result(seen, &json!({})),
            (_, "resources/read") => {
                let error = json!({ "code": -32002, "message": "not there" });
                let answer = json!({ "jsonrpc": "2.0", "id": body["id"], "error": error });
                Script::json(answer.to_string())
            }
            // The answer to its question.
            (_, "") if body["id"] == "q" => {
                self.finish(&json!({ "heard": body }));
                Script::Status(StatusCode::ACCEPTED)
            }
            _ => Script::Status(StatusCode::ACCEPTED),
        }
    }

    fn send_to_calls(&self, message: &Value) {
        let calls = self.calls.lock().unwrap();
        calls.last().unwrap().1.try_send(event(message)).unwrap();
    }

    /// Answers the last call that waits.
    fn finish(&self, heard: &Value) {
        let (id, to) = self.calls.lock().unwrap().pop().unwrap();
        let result = json!({ "content": [], "structuredContent": heard });
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        to.try_send(event(&answer)).unwrap();
    }

    fn opened(&self) -> usize {
        *self.opened.lock().unwrap()
    }
}

/// A client of the modern era that has declared this.
pub(super) struct Client<'a> {
    gate: &'a TestGate,
    capabilities: Value,
    token: &'static str,
}

const OTHER: &str = "other-token-0123456789-abcdefghijklmno";

impl<'a> Client<'a> {
    pub(super) fn new(gate: &'a TestGate, capabilities: Value) -> Self {
        let token = crate::support::gate::TOKEN;
        Self {
            gate,
            capabilities,
            token,
        }
    }

    fn message(&self, id: u64, method: &str, params: &Value) -> Value {
        let mut message = request(id, method, params);
        let meta = &mut message["params"]["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "new", "version": "2" });
        meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        message
    }

    fn headers(message: &Value) -> Vec<(&'static str, &str)> {
        let mut headers = vec![
            ("mcp-protocol-version", MODERN),
            ("mcp-method", message["method"].as_str().unwrap()),
        ];
        let named = &message["params"];
        let named = named["name"].as_str().or(named["uri"].as_str());
        headers.extend(named.map(|name| ("mcp-name", name)));
        headers
    }

    pub(super) async fn ask(&self, id: u64, method: &str, params: Value) -> Answer {
        let message = self.message(id, method, &params);
        let bearer = format!("Bearer {}", self.token);
        let mut headers = Self::headers(&message);
        headers.push(("authorization", &bearer));
        self.gate.post_with(&headers, message.to_string()).await
    }

    async fn stream(&self, id: u64, method: &str, params: Value) -> Stream {
        let message = self.message(id, method, &params);
        Stream::open(self.gate, Method::POST, &Self::headers(&message), &message).await
    }
}

fn asking(method: &str) -> Value {
    json!({ "name": "ask", "arguments": { "ask": method } })
}

/// The same call once more, with an answer to what was wanted.
pub(super) fn retry(first: &Value, required: &Value, response: &Value) -> Value {
    let mut params = first.clone();
    params["requestState"] = required["requestState"].clone();
    let asked = required["inputRequests"].as_object().unwrap();
    for key in asked.keys() {
        params["inputResponses"][key] = response.clone();
    }
    params
}

async fn eventually(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not happen");
}

#[tokio::test]
async fn a_server_is_introduced_and_called_in_one_session() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({ "sampling": {}, "extensions": {} }));
    let found = client.ask(1, "server/discover", json!({})).await.json();
    let result = &found["result"];
    assert_eq!(result["supportedVersions"], json!([MODERN]), "{found}");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["capabilities"],
        json!({ "tools": {}, "resources": { "subscribe": true } })
    );
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "old"
    );
    assert_eq!(
        (&result["ttlMs"], &result["cacheScope"]),
        (&json!(0), &json!("private"))
    );
    assert_eq!(result["instructions"], "be quick");
    let before = old.opened();

    let list = client.ask(2, "tools/list", json!({})).await.json();
    assert_eq!(list["result"]["resultType"], "complete");
    assert_eq!(list["result"]["ttlMs"], 0);
    let one = client.ask(3, "tools/call", json!({ "name": "t" })).await;
    let two = client
        .ask(
            3,
            "tools/call",
            json!({ "name": "t", "_meta": { "k": 1.0 } }),
        )
        .await;
    assert_eq!(one.json()["id"], 3);
    assert_eq!(
        one.json()["result"]["content"],
        two.json()["result"]["content"]
    );
    assert_eq!(old.opened(), before, "the session is used again");
    let seen = server.seen("tools/call");
    assert!(
        seen.iter()
            .all(|seen| seen.header("mcp-protocol-version") == Some("2025-06-18"))
    );
    assert_eq!(seen[0].json()["params"], json!({ "name": "t" }));
    assert_eq!(seen[1].json()["params"]["_meta"], json!({ "k": 1.0 }));
    assert_ne!(seen[0].json()["id"], seen[1].json()["id"]);
    let hello = server.seen("initialize").pop().unwrap().json();
    assert_eq!(hello["params"]["clientInfo"]["name"], "new");
    assert_eq!(hello["params"]["capabilities"], json!({ "sampling": {} }));

    let denied = client
        .ask(4, "tools/call", json!({ "name": "secret" }))
        .await;
    assert!(
        denied.text().contains("[POLICY DENIED]"),
        "{}",
        denied.text()
    );
    let missing = client
        .ask(5, "resources/read", json!({ "uri": "file:///allowed/x" }))
        .await;
    assert_eq!(
        missing.json()["error"]["code"],
        -32602,
        "{}",
        missing.text()
    );
    // Who says something else of itself has a session of its own.
    let other = Client::new(&gate, json!({}));
    other.ask(6, "tools/call", json!({ "name": "t" })).await;
    assert_eq!(old.opened(), before + 1);
}

#[tokio::test]
async fn a_session_that_expired_is_opened_again() {
    let old = Old::default();
    let server = old.start().await;
    let limited = json!({ "limits": [{ "counter": "calls", "max": 2, "window": "hour" }] });
    let policy = open_policy(&limited).replace("\"t\":{}", &format!("\"t\":{limited}"));
    let gate = TestGate::start(&server.url(), &policy).await;
    let client = Client::new(&gate, json!({}));
    let first = client
        .ask(1, "tools/call", json!({ "name": "t" }))
        .await
        .json();
    let session = first["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    old.gone.lock().unwrap().push(session.clone());
    let second = client
        .ask(2, "tools/call", json!({ "name": "t" }))
        .await
        .json();
    assert_ne!(
        second["result"]["content"][0]["text"],
        json!(session),
        "{second}"
    );
    assert_eq!(second["id"], 2);
    // Two calls were charged, not three.
    let third = client.ask(3, "tools/call", json!({ "name": "t" })).await;
    assert!(third.text().contains("[POLICY DENIED]"), "{}", third.text());
    assert_eq!(server.seen("tools/call").len(), 3);
}

#[tokio::test]
async fn a_retry_is_judged_again_and_not_charged_again() {
    let old = Old::default();
    let server = old.start().await;
    let limited = json!({ "limits": [{ "counter": "calls", "max": 2, "window": "hour" }] });
    let gate = TestGate::start(&server.url(), &open_policy(&limited)).await;
    let client = Client::new(&gate, json!({ "elicitation": {} }));
    let call = asking("elicitation/create");
    let needed = client.ask(7, "tools/call", call.clone()).await.json();
    let required = &needed["result"];
    assert_eq!(required["resultType"], "input_required", "{needed}");
    assert_eq!(needed["id"], 7);
    let wanted = required["inputRequests"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    assert_eq!(wanted["method"], "elicitation/create");
    assert_eq!(wanted["params"]["n"], 1.5);
    assert!(
        server.seen("").iter().all(|seen| seen.json()["id"] != "q"),
        "nothing was answered"
    );
    // Without the answer it is asked again, under another state.
    let mut unanswered = call.clone();
    unanswered["requestState"] = required["requestState"].clone();
    let again = client.ask(8, "tools/call", unanswered).await.json();
    assert_eq!(again["result"]["inputRequests"], required["inputRequests"]);
    assert_ne!(again["result"]["requestState"], required["requestState"]);

    let response = json!({ "action": "accept", "content": { "a": 1.0 } });
    let last = client
        .ask(9, "tools/call", retry(&call, &again["result"], &response))
        .await;
    let messages = last.json();
    assert_eq!(messages["id"], 9, "{messages}");
    assert_eq!(messages["result"]["resultType"], "complete");
    assert_eq!(
        messages["result"]["structuredContent"]["heard"]["result"],
        response
    );
    assert_eq!(server.seen("tools/call").len(), 1);

    // One more is within the limit. While it waits, the rules change.
    let needed = client.ask(10, "tools/call", call.clone()).await.json();
    assert_eq!(needed["result"]["resultType"], "input_required", "{needed}");
    gate.put_policy("p", r#"{"version":"1","default":"deny","tools":{"t":{}}}"#)
        .await;
    let refused = client
        .ask(11, "tools/call", retry(&call, &needed["result"], &response))
        .await;
    assert!(
        refused.text().contains("[POLICY DENIED]"),
        "{}",
        refused.text()
    );
    assert!(!refused.text().contains("heard"), "{}", refused.text());
    // The server hears that nobody answers, and that the call is given up.
    eventually(|| !server.seen("notifications/cancelled").is_empty()).await;
}

#[tokio::test]
async fn a_state_is_good_for_its_own_call_and_once() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    gate.add_grant("other", OTHER, &[("s", Some("p"))]).await;
    let client = Client::new(&gate, json!({ "elicitation": {} }));
    let call = asking("elicitation/create");
    let needed = client.ask(1, "tools/call", call.clone()).await.json();
    let good = retry(&call, &needed["result"], &json!({ "action": "decline" }));
    let refused = |answer: Answer| {
        assert!(answer.text().contains("requestState"), "{}", answer.text());
        assert!(!answer.text().contains("heard"), "{}", answer.text());
    };
    // Somebody else's, for something else, changed.
    let thief = Client {
        token: OTHER,
        ..Client::new(&gate, json!({ "elicitation": {} }))
    };
    refused(thief.ask(2, "tools/call", good.clone()).await);
    let mut other = good.clone();
    other["arguments"]["more"] = json!(1);
    refused(client.ask(3, "tools/call", other).await);
    let mut changed = good.clone();
    let state = good["requestState"].as_str().unwrap();
    let flipped = if state.ends_with('0') { "1" } else { "0" };
    changed["requestState"] = json!(format!("{}{flipped}", &state[..state.len() - 1]));
    refused(client.ask(4, "tools/call", changed).await);
    // It is still good, and then it is not.
    let done = client.ask(5, "tools/call", good.clone()).await;
    assert!(done.text().contains("heard"), "{}", done.text());
    refused(client.ask(6, "tools/call", good).await);
    // One that has expired.
    let needed = client.ask(7, "tools/call", call.clone()).await.json();
    let late = retry(&call, &needed["result"], &json!({ "action": "decline" }));
    gate.clock.advance(Duration::from_mins(11));
    refused(client.ask(8, "tools/call", late).await);
}

#[tokio::test]
async fn a_server_does_not_ask_what_was_not_declared_or_is_not_allowed() {
    let old = Old::default();
    let server = old.start().await;
    let policy = json!({ "version": "1", "default": "deny", "tools": { "ask": {} },
        "server_requests": { "sampling": "deny" } });
    let gate = TestGate::start(&server.url(), &policy.to_string()).await;
    let client = Client::new(&gate, json!({ "sampling": {} }));
    for (method, code) in [
        ("roots/list", -32601),
        ("elicitation/create", -32601),
        ("sampling/createMessage", 40300),
    ] {
        let answer = client.ask(1, "tools/call", asking(method)).await.json();
        let heard = &answer["result"]["structuredContent"]["heard"];
        assert_eq!(heard["error"]["code"], code, "{answer}");
    }
}

#[tokio::test]
async fn what_is_asked_on_the_free_stream_is_asked_for_the_call_that_runs() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({ "roots": {} }));
    let call = json!({ "name": "slow" });
    let asks = old.clone();
    let asking = tokio::spawn(async move {
        eventually(|| !asks.calls.lock().unwrap().is_empty()).await;
        let free = asks.free.lock().unwrap().last().unwrap().1.clone();
        let asked = json!({ "jsonrpc": "2.0", "id": "q", "method": "roots/list" });
        free.send(event(&asked)).await.unwrap();
    });
    let needed = client.ask(1, "tools/call", call.clone()).await.json();
    asking.await.unwrap();
    assert_eq!(needed["result"]["resultType"], "input_required", "{needed}");
    let done = client
        .ask(
            2,
            "tools/call",
            retry(&call, &needed["result"], &json!({ "roots": [] })),
        )
        .await;
    assert_eq!(
        done.json()["result"]["structuredContent"]["heard"]["result"],
        json!({ "roots": [] })
    );
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_in_the_session() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({}));
    let params = json!({ "name": "slow", "_meta": { "progressToken": 4 } });
    let notes = old.clone();
    let noting = tokio::spawn(async move {
        eventually(|| !notes.calls.lock().unwrap().is_empty()).await;
        let logged = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info" } });
        notes.send_to_calls(&logged);
        let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
            "params": { "progressToken": 4, "progress": 1 } });
        notes.send_to_calls(&progress);
    });
    let mut stream = client.stream(1, "tools/call", params).await;
    noting.await.unwrap();
    // Who did not ask for logs gets none.
    assert_eq!(
        stream.next().await.unwrap()["method"],
        "notifications/progress"
    );
    let call = server.seen("tools/call").pop().unwrap().json();
    drop(stream);
    eventually(|| !server.seen("notifications/cancelled").is_empty()).await;
    let cancel = server.seen("notifications/cancelled").pop().unwrap();
    assert_eq!(cancel.json()["params"]["requestId"], call["id"]);
    assert!(cancel.header("mcp-session-id").is_some());
}

#[tokio::test]
async fn subscriptions_are_fed_from_a_session_of_their_own() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({}));
    let refused = json!({ "notifications": { "resourceSubscriptions": ["file:///elsewhere/x"] } });
    let refused = client.ask(1, "subscriptions/listen", refused).await;
    assert!(
        refused.text().contains("[POLICY DENIED]"),
        "{}",
        refused.text()
    );
    assert!(server.seen("resources/subscribe").is_empty());

    let filter =
        json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///allowed/a"] });
    let mut stream = client
        .stream(
            2,
            "subscriptions/listen",
            json!({ "notifications": filter }),
        )
        .await;
    let first = stream.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], filter);
    let subscribed = server.seen("resources/subscribe").pop().unwrap();
    let free = old.free.lock().unwrap().last().unwrap().1.clone();
    for (method, is_heard) in [
        ("notifications/prompts/list_changed", false),
        ("notifications/tools/list_changed", true),
        ("notifications/resources/updated", true),
    ] {
        let note =
            json!({ "jsonrpc": "2.0", "method": method, "params": { "uri": "file:///allowed/a" } });
        free.send(event(&note)).await.unwrap();
        if is_heard {
            let heard = stream.next().await.unwrap();
            assert_eq!(heard["method"], method);
            assert_eq!(
                heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
                2
            );
        }
    }
    drop(stream);
    let ended = || {
        let own = subscribed.header("mcp-session-id");
        let all = server.seen("");
        all.iter()
            .any(|seen| seen.method == Method::DELETE && seen.header("mcp-session-id") == own)
    };
    eventually(ended).await;
}

#[tokio::test]
async fn idle_sessions_end_at_the_server() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({}));
    client.ask(1, "tools/call", json!({ "name": "t" })).await;
    server.forget();
    gate.clock.advance(Duration::from_mins(6));
    gate.node.front().unwrap().sweep();
    eventually(|| {
        server
            .seen("")
            .iter()
            .any(|seen| seen.method == Method::DELETE)
    })
    .await;
}

#[tokio::test]
async fn what_the_modern_era_has_not_is_said() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({}));
    client.ask(1, "server/discover", json!({})).await;
    server.forget();
    for method in ["ping", "initialize", "resources/subscribe"] {
        let answer = client.ask(1, method, json!({})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json()["error"]["code"], -32601);
    }
    let tasks = client.ask(2, "tasks/get", json!({})).await.json();
    assert_eq!(tasks["error"]["code"], 50100, "{tasks}");
    assert!(server.seen("").is_empty());
}

#[tokio::test]
async fn a_retry_that_people_must_approve_does_not_pass_unasked() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({ "elicitation": {} }));
    let call = asking("elicitation/create");
    let needed = client.ask(1, "tools/call", call.clone()).await.json();
    assert_eq!(needed["result"]["resultType"], "input_required", "{needed}");
    let approval = json!({ "require_approval": [{ "conditions": [], "hold": "0s" }] });
    gate.put_policy("p", &open_policy(&approval)).await;
    let response = json!({ "action": "accept", "content": {} });
    let params = retry(&call, &needed["result"], &response);
    let refused = client.ask(2, "tools/call", params).await;
    assert!(refused.text().contains("approval"), "{}", refused.text());
    assert!(!refused.text().contains("heard"), "{}", refused.text());
}

#[tokio::test]
async fn what_is_kept_of_a_client_is_bounded() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let opened = old.opened();
    let client = Client::new(&gate, json!({ "x": { "y": "x".repeat(20_000) } }));
    let refused = client.ask(1, "tools/call", json!({ "name": "t" })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["code"], -32602);
    assert!(refused.text().contains("16384 bytes"), "{}", refused.text());
    assert_eq!(gate.booked().pop().unwrap().rule.as_str(), "(malformed)");
    assert_eq!(old.opened(), opened, "no session was opened for it");
}

#[tokio::test]
async fn a_retry_without_the_answer_is_booked_and_wins_no_time() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::start(&server.url(), &open_policy(&json!({}))).await;
    let client = Client::new(&gate, json!({ "roots": {} }));
    let first = asking("roots/list");
    let mut required = client.ask(1, "tools/call", first.clone()).await.json();
    let booked = gate.booked().len();
    let minutes = |n: u64| Duration::from_mins(n);
    for id in 2..5 {
        gate.clock.advance(minutes(3));
        let mut again = first.clone();
        again["requestState"] = required["result"]["requestState"].clone();
        required = client.ask(id, "tools/call", again).await.json();
        assert_eq!(
            required["result"]["resultType"], "input_required",
            "{required}"
        );
    }
    let all = gate.booked();
    assert_eq!(all.len(), booked + 3);
    let last = all.last().unwrap();
    assert_eq!(last.rule.as_str(), "(malformed)");
    let reason = last.end.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("inputResponses"), "{reason}");
    gate.clock.advance(minutes(2));
    let answer = retry(&first, &required["result"], &json!({ "roots": [] }));
    let late = client.ask(9, "tools/call", answer).await;
    assert!(late.text().contains("has expired"), "{}", late.text());
}

#[tokio::test]
async fn what_waits_for_clients_is_bounded_together() {
    let old = Old::default();
    let server = old.start().await;
    let gate = TestGate::planned(|plan| plan.front.max_body = 16 * 1024 * 1024).await;
    let gate = gate
        .furnished(&server.url(), &open_policy(&json!({})))
        .await;
    let client = Client::new(&gate, json!({ "roots": {} }));
    let mut large = asking("roots/list");
    large["arguments"]["padding"] = json!("x".repeat(12 * 1024 * 1024));
    for id in 1..3 {
        let parked = client.ask(id, "tools/call", large.clone()).await.json();
        assert_eq!(parked["result"]["resultType"], "input_required");
    }
    let third = client.ask(3, "tools/call", large).await.json();
    // The server was told that nobody answers, and went on.
    let heard = &third["result"]["structuredContent"]["heard"];
    assert!(
        heard["error"]["message"]
            .as_str()
            .unwrap()
            .contains("too many"),
        "{third}"
    );
}
