//! Names: every thing has one of its own, and reaches its server under the server's.

use http::Method;
use serde_json::json;

use super::{Agent, OPEN, Peer, gate_with, message};
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[tokio::test]
async fn a_list_holds_the_tools_of_all_and_a_call_reaches_its_server() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let listed = agent.listed("tools/list", "tools", "name").await;
    let expected = ["a__t", "a__ask", "a__only_a", "b__t", "b__ask", "b__only_b"];
    assert_eq!(listed, expected);
    a.server.forget();
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{ "name":"b__t" ,"arguments":{"big":12345678901234567890,"x":1.0}},"odd":1E2}"#;
    let answer = message(agent.post_with(&[], &body[..]).await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "b");
    let sent = b.server.seen("tools/call");
    let expected = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{ "name":"t" ,"arguments":{"big":12345678901234567890,"x":1.0}},"odd":1E2}"#;
    assert_eq!(sent[0].body, &expected[..]);
    assert!(a.heard("tools/call").is_empty());
}

#[tokio::test]
async fn a_policy_sees_and_the_book_names_what_the_server_calls_it() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let policy = r#"{"version":"1","default":"deny","tools":{"only_a":{},"t":{"action":"deny"}}}"#;
    let gate = gate_with(&[("a", &a), ("b", &b)], policy).await;
    let agent = Agent::of(&gate);
    let listed = agent.listed("tools/list", "tools", "name").await;
    assert_eq!(listed, ["a__t", "a__only_a", "b__t"]);
    let answer = agent.call("a__only_a", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "a");
    let booked = gate.booked().pop().unwrap();
    assert_eq!(
        (booked.server.as_deref(), booked.tool.as_deref()),
        (Some("a"), Some("only_a"))
    );
    let refused = agent.call("b__t", json!({})).await;
    let decision = &refused["result"]["_meta"]["portreeve/decision"];
    assert_eq!(decision["rule"], "/tools/t/action", "{refused}");
    assert!(b.heard("tools/call").is_empty());
}

#[tokio::test]
async fn what_no_table_names_is_refused_and_booked() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    for (name, server) in [
        ("t", None),
        ("c__t", None),
        ("a__nothing", Some("a")),
        ("a__t_0123456789abcdef", None),
        ("a_t", None),
        ("", None),
    ] {
        let refused = agent.call(name, json!({})).await;
        let decision = &refused["result"]["_meta"]["portreeve/decision"];
        assert_eq!(decision["rule"], "(not pinned)", "{name}: {refused}");
        let booked = gate.booked().pop().unwrap();
        assert_eq!(booked.end.outcome, "deny");
        assert_eq!(booked.server.as_deref(), server, "{name}");
    }
    assert!(a.heard("tools/call").is_empty() && b.heard("tools/call").is_empty());
}

/// A server with tools of these names that says which one was called.
async fn naming(tools: &'static [&'static str]) -> TestServer {
    let listed = crate::gate::tools(tools);
    TestServer::start(move |seen: &Seen| match seen.rpc_method().as_str() {
        "tools/call" => {
            let called = seen.json()["params"]["name"].clone();
            Script::result(
                seen,
                &json!({ "content": [{ "type": "text", "text": called }] }),
            )
        }
        _ if seen.method == Method::GET => Script::Status(http::StatusCode::METHOD_NOT_ALLOWED),
        _ => plain(seen, &listed),
    })
    .await
}

const LONG: &str = "a_tool_with_a_name_that_is_much_too_long_to_have_anything_in_front_of_it";
const LONGER: &str = "a_tool_with_a_name_that_is_much_too_long_to_have_anything_in_front_of_it_2";

#[tokio::test]
async fn odd_names_are_told_apart_and_stay_after_a_restart() {
    let one = naming(&["b__c", "c", LONG, LONGER]).await;
    let two = naming(&["c", "b__c", LONG]).await;
    let gate = TestGate::empty().await;
    for (name, server) in [("a", &one), ("a__b", &two)] {
        let new_tools = portreeve::store::model::NewTools::Quarantine;
        gate.add_server(name, &server.url(), new_tools).await;
    }
    gate.put_policy("p", OPEN).await;
    let token = crate::support::gate::TOKEN;
    gate.add_grant("tester", token, &[("a", Some("p")), ("a__b", Some("p"))])
        .await;
    gate.node.gate.take_first_lists().await;
    let listed = sorted(Agent::of(&gate).listed("tools/list", "tools", "name").await);
    assert_eq!(listed.len(), 7);
    assert!(
        listed.windows(2).all(|pair| pair[0] != pair[1]),
        "{listed:?}"
    );
    assert!(listed.iter().all(|name| name.len() <= 64), "{listed:?}");
    // Without having listed, and from another process.
    let gate = gate.restart().await;
    let agent = Agent::of(&gate);
    let mut called = Vec::new();
    for name in &listed {
        let answer = agent.call(name, json!({})).await;
        let booked = gate.booked().pop().unwrap();
        let server = booked.server.unwrap();
        called.push((
            server,
            answer["result"]["content"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned(),
        ));
    }
    called.sort();
    let expected = [
        ("a", LONG),
        ("a", LONGER),
        ("a", "b__c"),
        ("a", "c"),
        ("a__b", LONG),
        ("a__b", "b__c"),
        ("a__b", "c"),
    ];
    let called: Vec<_> = called
        .iter()
        .map(|(s, t)| (s.as_str(), t.as_str()))
        .collect();
    assert_eq!(called, expected);
    assert_eq!(
        sorted(agent.listed("tools/list", "tools", "name").await),
        listed
    );
}

#[tokio::test]
async fn one_server_has_no_prefix() {
    let a = Peer::start("a").await;
    let gate = gate_with(&[("a", &a)], OPEN).await;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = gate.send(Method::POST, "/mcp", &[], list).await.json();
    assert_eq!(answer["result"]["tools"][0]["name"], "t");
}

#[tokio::test]
async fn the_url_is_served() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"b__t"}}"#;
    for path in ["/mcp", "/mcp/"] {
        let answer = gate.send(Method::POST, path, &[], call).await.json();
        assert_eq!(answer["result"]["content"][0]["text"], "b", "{path}");
    }
    let stranger = [("authorization", "Bearer nobody")];
    let refused = gate.send(Method::POST, "/mcp", &stranger, call).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn prompts_are_named_like_tools() {
    let named = |seen: &Seen| {
        (seen.rpc_method() == "prompts/list").then(|| {
            Script::result(
                seen,
                &json!({ "prompts": [{ "name": "p" }, { "name": LONG }] }),
            )
        })
    };
    let (a, b) = (Peer::with("a", named).await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let listed = Agent::of(&gate)
        .listed("prompts/list", "prompts", "name")
        .await;
    assert_eq!((listed[0].as_str(), listed[2].as_str()), ("a__p", "b__p"));
    assert_eq!(listed[1].len(), 64);
    // A client that remembers the name need not list again.
    let agent = Agent::of(&gate);
    agent.ask("prompts/get", json!({ "name": listed[1] })).await;
    let asked = a.heard("prompts/get");
    assert_eq!(asked[0]["params"]["name"], LONG);
    agent
        .ask(
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "b__p" },
                "argument": { "name": "x", "value": "y" } }),
        )
        .await;
    assert_eq!(
        b.heard("completion/complete")[0]["params"]["ref"]["name"],
        "p"
    );
    let unknown = agent.ask("prompts/get", json!({ "name": "p" })).await;
    assert_eq!(unknown["error"]["code"], 40300);
}

#[tokio::test]
async fn a_modern_name_is_recomputed_in_its_header() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let answer = message(agent.modern("tools/call", json!({ "name": "b__t" })).await).await;
    assert_eq!(answer["result"]["content"][0]["text"], "b");
    assert_eq!(b.server.seen("tools/call")[0].header("mcp-name"), Some("t"));
    // What the header said must have been true before.
    let call = super::request(
        1,
        "tools/call",
        json!({ "name": "b__t", "_meta": {
        "io.modelcontextprotocol/protocolVersion": super::MODERN } }),
    );
    let headers = [
        ("mcp-protocol-version", super::MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "t"),
    ];
    let refused = message(agent.post_with(&headers, call.to_string()).await).await;
    assert_eq!(refused["error"]["code"], -32020);
}

#[tokio::test]
async fn batches_are_taken_apart() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let calls = json!([
        super::request(1, "tools/call", json!({ "name": "a__t" })),
        super::request(2, "tools/call", json!({ "name": "b__t" })),
        super::request(3, "tools/call", json!({ "name": "c__t" })),
    ]);
    let answers = message(agent.post(&calls).await).await;
    let text = |at: usize| answers[at]["result"]["content"][0]["text"].clone();
    assert_eq!((text(0), text(1)), (json!("a"), json!("b")));
    assert_eq!(answers[2]["result"]["isError"], true);
    let headers = [("mcp-protocol-version", "2025-06-18")];
    let refused = message(agent.post_with(&headers, calls.to_string()).await).await;
    assert_eq!(refused["error"]["code"], -32600);
}
