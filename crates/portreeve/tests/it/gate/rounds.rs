//! Calls of the modern era that take several rounds: judged in each, charged once.

use portreeve::name::Label;
use portreeve::store::approval::{Says, State};
use portreeve::store::person::{Person, Role};
use serde_json::{Value, json};

use super::tools;
use crate::support::gate::TOKEN;
use crate::support::server::{Script, Seen, plain};
use crate::support::{TestGate, TestServer};

const OTHER: &str = "other-token-0123456789-abcdefghijklmnop";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const TWO: &str = r#"{"version":"1","default":"deny","tools":{
  "ask":{"limits":[{"counter":"asks","window":"minute","max":2,"scope":"grant"}]},
  "free":{},
  "waits":{"require_approval":[{"conditions":[],"hold":"0s"}]}}}"#;

/// Asks for a name, `rounds` times over, and then says what it was told and what state it got.
fn asking(seen: &Seen) -> Script {
    let body = seen.json();
    let params = &body["params"];
    let state = params["requestState"].as_str();
    let so_far = state.and_then(|state| state.strip_prefix("mine ")?.parse().ok());
    let (so_far, rounds) = (
        so_far.unwrap_or(0),
        params["arguments"]["rounds"].as_i64().unwrap_or(1),
    );
    if so_far >= rounds || params["inputResponses"].is_object() && state.is_none() {
        let content = [
            json!({ "type": "text", "text": params["inputResponses"].to_string() }),
            json!({ "type": "text", "text": state.unwrap_or("none") }),
        ];
        return Script::result(
            seen,
            &json!({ "resultType": "complete", "content": content }),
        );
    }
    let mut needed = json!({ "resultType": "input_required", "inputRequests": {
        "who": { "method": "elicitation/create", "params": { "mode": "form", "message": "who?",
            "requestedSchema": { "type": "object", "properties": {} } } } } });
    if !params["arguments"]["stateless"].is_boolean() {
        needed["requestState"] = json!(format!("mine {}", so_far + 1));
    }
    Script::result(seen, &needed)
}

async fn asked() -> (TestServer, TestGate) {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "tools/call" => asking(seen),
        _ => plain(seen, &tools(&["ask", "free", "waits"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), TWO).await;
    (server, gate)
}

struct Caller<'g>(&'g TestGate, &'static str);

impl Caller<'_> {
    async fn call(&self, tool: &str, arguments: &Value, answers: Option<&str>) -> Value {
        let mut params = json!({ "_meta": { VERSION: "2026-07-28", CAPABILITIES: { "elicitation": {} } },
            "name": tool, "arguments": arguments });
        if let Some(state) = answers {
            params["inputResponses"] = json!({ "who": { "action": "accept", "content": {} } });
            params["requestState"] = json!(state);
        }
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let bearer = format!("Bearer {}", self.1);
        let headers = [
            ("authorization", bearer.as_str()),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        let answer = self.0.post_with(&headers, body.to_string()).await;
        answer.json()["result"].clone()
    }

    /// The state that the first round of a call ends with.
    async fn first(&self, tool: &str, arguments: &Value) -> String {
        let needed = self.call(tool, arguments, None).await;
        assert_eq!(needed["resultType"], "input_required", "{needed}");
        needed["requestState"].as_str().unwrap().to_owned()
    }
}

impl TestGate {
    /// Has everything approved that waits.
    async fn approve_all(&self) {
        let store = &self.node.house.store;
        let now = self.clock.now();
        let person = Person {
            name: Label::new("ann").unwrap(),
            role: Role::Approver,
            identities: Vec::new(),
            has_password: true,
            has_token: false,
            created_at: now,
        };
        let waiting = store.approvals(true).await.unwrap();
        let waiting = waiting.iter().filter(|one| one.state == State::Waiting);
        let mut count = 0;
        for approval in waiting {
            let vote = store.vote(&approval.id, person.clone(), (Says::Approve, None), now);
            assert_eq!(vote.await.unwrap().unwrap().state, State::Approved);
            count += 1;
        }
        assert_eq!(count, 1, "one call waits");
    }
}

fn said(result: &Value) -> &str {
    result["content"][1]["text"].as_str().unwrap_or_default()
}

fn refused(result: &Value) -> bool {
    result.to_string().contains("[POLICY DENIED]")
}

#[tokio::test]
async fn a_call_of_several_rounds_is_charged_once() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let three = json!({ "rounds": 3 });
    for call in ["first", "second"] {
        let mut state = caller.first("ask", &three).await;
        for _ in 0..2 {
            let needed = caller.call("ask", &three, Some(&state)).await;
            let next = needed["requestState"]
                .as_str()
                .unwrap_or_else(|| panic!("{call}: {needed}"));
            assert!(
                !next.contains("mine"),
                "{call}: the server's state is inside"
            );
            assert_ne!(next, state);
            next.clone_into(&mut state);
        }
        let done = caller.call("ask", &three, Some(&state)).await;
        assert_eq!(said(&done), "mine 3", "{call}");
    }
    assert!(
        refused(&caller.call("ask", &three, None).await),
        "two were charged"
    );
    let book = std::fs::read_dir(gate.ledger_dir()).unwrap();
    let lines = book.flat_map(|file| {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let charged = lines.filter(|line| line.contains("asks") && line.contains(r#""phase":"begin""#));
    assert_eq!(charged.count(), 2);
}

#[tokio::test]
async fn a_round_that_is_played_again_is_a_call_of_its_own() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let once = json!({});
    let state = caller.first("ask", &once).await;
    for (again, passes) in [
        ("the round", true),
        ("played again", true),
        ("too often", false),
    ] {
        let answer = caller.call("ask", &once, Some(&state)).await;
        assert_eq!(!refused(&answer), passes, "{again}: {answer}");
        if passes {
            assert_eq!(said(&answer), "mine 1", "{again}");
        }
    }
}

#[tokio::test]
async fn two_at_once_cannot_both_be_the_one_round() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let once = json!({});
    let state = caller.first("ask", &once).await;
    let answers =
        futures_util::future::join_all((0..8).map(|_| caller.call("ask", &once, Some(&state))))
            .await;
    let passed = answers.iter().filter(|answer| !refused(answer)).count();
    assert_eq!(passed, 2, "the round, and the second of two calls");
}

#[tokio::test]
async fn an_envelope_pays_for_nothing_but_its_own_call() {
    let (server, gate) = asked().await;
    gate.add_grant("other", OTHER, &[("s", Some("p"))]).await;
    let caller = Caller(&gate, TOKEN);
    let arguments = json!({ "a": 1 });
    let state = caller.first("ask", &arguments).await;
    // Another question is a call of its own: the second and last of this minute.
    let answer = caller.call("ask", &json!({ "a": 2 }), Some(&state)).await;
    assert_eq!(said(&answer), "mine 1", "{answer}");
    let third = caller.call("ask", &json!({ "a": 3 }), Some(&state)).await;
    assert!(refused(&third), "{third}");
    // What was not used, and what was tried around another question, is good still.
    let own = caller.call("ask", &arguments, Some(&state)).await;
    assert_eq!(said(&own), "mine 1", "{own}");

    // To another grant it is a text like any other, and so is one that was changed.
    let mine = Caller(&gate, OTHER).first("ask", &arguments).await;
    let mut changed = mine.clone();
    changed.replace_range(20..21, if &mine[20..21] == "A" { "B" } else { "A" });
    for text in [state.as_str(), changed.as_str()] {
        server.forget();
        Caller(&gate, OTHER)
            .call("ask", &arguments, Some(text))
            .await;
        for seen in server.seen("tools/call") {
            assert_eq!(seen.json()["params"]["requestState"], text, "not opened");
        }
    }
}

#[tokio::test]
async fn rules_are_asked_in_every_round() {
    let (server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let once = json!({});
    let state = caller.first("ask", &once).await;
    gate.put_policy("p", r#"{"version":"1","default":"deny","tools":{}}"#)
        .await;
    server.forget();
    let answer = caller.call("ask", &once, Some(&state)).await;
    assert!(refused(&answer), "{answer}");
    assert!(server.seen("tools/call").is_empty());
    // The round was not used: allowed again, it is still paid for.
    gate.put_policy("p", &TWO.replace(r#""max":2"#, r#""max":1"#))
        .await;
    let answer = caller.call("ask", &once, Some(&state)).await;
    assert_eq!(said(&answer), "mine 1", "{answer}");
}

#[tokio::test]
async fn a_server_without_a_state_gets_none() {
    let (server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let arguments = json!({ "stateless": true });
    for _ in 0..2 {
        let state = caller.first("ask", &arguments).await;
        server.forget();
        let done = caller.call("ask", &arguments, Some(&state)).await;
        assert_eq!(said(&done), "none", "{done}");
        let seen = server.seen("tools/call");
        assert!(seen[0].json()["params"].get("requestState").is_none());
    }
    assert!(refused(&caller.call("ask", &arguments, None).await));
}

#[tokio::test]
async fn what_costs_nothing_is_left_as_it_is() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let state = caller.first("free", &json!({})).await;
    assert_eq!(state, "mine 1");
    let done = caller.call("free", &json!({}), Some(&state)).await;
    assert_eq!(said(&done), "mine 1");
}

#[tokio::test]
async fn after_a_restart_a_round_is_a_call_of_its_own_and_has_its_state() {
    let (_server, gate) = asked().await;
    let once = json!({});
    let state = Caller(&gate, TOKEN).first("ask", &once).await;
    let gate = gate.restart().await;
    let caller = Caller(&gate, TOKEN);
    let answer = caller.call("ask", &once, Some(&state)).await;
    assert_eq!(said(&answer), "mine 1", "{answer}");
    assert!(
        refused(&caller.call("ask", &once, None).await),
        "it was charged"
    );
}

#[tokio::test]
async fn rounds_end() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let many = json!({ "rounds": 1000 });
    let mut state = caller.first("ask", &many).await;
    let mut rounds = 1;
    loop {
        let needed = caller.call("ask", &many, Some(&state)).await;
        if refused(&needed) {
            break;
        }
        rounds += 1;
        assert!(rounds < 200, "it pays for ever");
        needed["requestState"]
            .as_str()
            .unwrap()
            .clone_into(&mut state);
    }
    assert_eq!(rounds, 64, "two calls of 32 rounds");
}

#[tokio::test]
async fn a_later_round_is_asked_about_by_the_rules_that_ask() {
    let (server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let once = json!({});
    for (tool, before, then) in [
        // Paid for, and nobody has approved anything.
        (
            "ask",
            r#""ask":{"limits":[{"counter":"asks","window":"minute","max":5}]}"#,
            r#""ask":{"require_approval":[{"conditions":[],"hold":"0s"}]}"#,
        ),
        // What was approved was another rule's.
        (
            "ask",
            r#""ask":{"require_approval":[{"conditions":[],"message":"the one","hold":"0s"}]}"#,
            r#""ask":{"require_approval":[{"conditions":[],"message":"the other","hold":"0s"}]}"#,
        ),
    ] {
        let policy =
            |tools: &str| format!(r#"{{"version":"1","default":"deny","tools":{{{tools}}}}}"#);
        gate.put_policy("p", &policy(before)).await;
        let mut first = caller.call(tool, &once, None).await;
        if first["resultType"] != "input_required" {
            gate.approve_all().await;
            first = caller.call(tool, &once, None).await;
        }
        let state = first["requestState"]
            .as_str()
            .unwrap_or_else(|| panic!("{first}"));
        gate.put_policy("p", &policy(then)).await;
        server.forget();
        let answer = caller.call(tool, &once, Some(state)).await;
        assert!(answer.to_string().contains("approval"), "{answer}");
        assert!(server.seen("tools/call").is_empty(), "{answer}");
        // Approved, the round goes on, and the server has its state.
        gate.approve_all().await;
        let answer = caller.call(tool, &once, Some(state)).await;
        assert_eq!(said(&answer), "mine 1", "{answer}");
    }
}

#[tokio::test]
async fn what_was_approved_is_approved_in_every_round() {
    let (_server, gate) = asked().await;
    let caller = Caller(&gate, TOKEN);
    let twice = json!({ "rounds": 2 });
    let waits = caller.call("waits", &twice, None).await;
    assert!(waits.to_string().contains("approval"), "{waits}");
    gate.approve_all().await;
    let mut state = caller.first("waits", &twice).await;
    let needed = caller.call("waits", &twice, Some(&state)).await;
    needed["requestState"]
        .as_str()
        .unwrap_or_else(|| panic!("{needed}"))
        .clone_into(&mut state);
    let done = caller.call("waits", &twice, Some(&state)).await;
    assert_eq!(said(&done), "mine 2", "{done}");
}
