//! Lists: pages, cursors, and servers that are not there.

use std::sync::{Arc, Mutex};

use portreeve::store::model::{Accept, NewServer, NewTools, Target};
use serde_json::json;

use super::{Agent, OPEN, Peer, gate_with};
use crate::support::server::Seen;
use crate::support::{Script, TestGate, TestServer};

/// A list of so many pages, one tool on each.
fn pages(count: usize) -> impl Fn(&Seen) -> Option<Script> {
    move |seen| {
        let cursor = seen.json()["params"]["cursor"].clone();
        let page: usize = cursor
            .as_str()
            .map_or(0, |c| c.trim_end_matches('"').parse().unwrap());
        let mut result = json!({ "resources": [{ "name": "r", "uri": format!("x:{page}") }] });
        if page + 1 < count {
            // An odd cursor stays as it is.
            result["nextCursor"] = format!("{}\"", page + 1).into();
        }
        (seen.rpc_method() == "resources/list").then(|| Script::result(seen, &result))
    }
}

#[tokio::test]
async fn pages_are_joined_until_the_last_of_all() {
    let a = Peer::with("a", pages(3)).await;
    let b = Peer::with("b", pages(1)).await;
    let c = Peer::with("c", pages(2)).await;
    let gate = gate_with(&[("a", &a), ("b", &b), ("c", &c)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut params = json!({});
    let mut found = Vec::new();
    for last in [false, false, true] {
        let answer = agent.ask("resources/list", params).await;
        let items = answer["result"]["resources"].as_array().unwrap().clone();
        found.push(
            items
                .iter()
                .map(|r| r["uri"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        );
        let cursor = answer["result"]["nextCursor"].clone();
        assert_eq!(cursor.is_null(), last, "{answer}");
        params = json!({ "cursor": cursor });
    }
    assert_eq!(
        found,
        [
            vec!["portreeve:a:x:0", "portreeve:b:x:0", "portreeve:c:x:0"],
            vec!["portreeve:a:x:1", "portreeve:c:x:1"],
            vec!["portreeve:a:x:2"],
        ]
    );
    assert_eq!(b.heard("resources/list").len(), 1);
}

#[tokio::test]
async fn a_cursor_of_ours_is_taken_by_its_list_only() {
    let (a, b) = (Peer::with("a", pages(2)).await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let answer = agent.ask("resources/list", json!({})).await;
    let cursor = answer["result"]["nextCursor"].clone();
    for (method, cursor) in [
        ("tools/list", cursor.clone()),
        ("resources/list", json!("1\"")),
        ("resources/list", json!(7)),
    ] {
        let refused = agent.ask(method, json!({ "cursor": cursor })).await;
        assert_eq!(refused["error"]["data"]["rule"], "(malformed)", "{refused}");
    }
    let next = agent
        .ask("resources/list", json!({ "cursor": cursor }))
        .await;
    assert_eq!(next["result"]["resources"][0]["uri"], "portreeve:a:x:1");
}

#[tokio::test]
async fn a_dead_server_is_absent_and_the_list_is_there() {
    let (a, b, c) = (
        Peer::start("a").await,
        Peer::start("b").await,
        Peer::start("c").await,
    );
    let gate = gate_with(&[("a", &a), ("b", &b), ("c", &c)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let sessionless = Agent::of(&gate);
    b.server.vanish().await;
    for agent in [&agent, &sessionless] {
        let answer = agent.ask("tools/list", json!({})).await;
        assert_eq!(
            answer["result"]["tools"].as_array().unwrap().len(),
            6,
            "{answer}"
        );
        let absent = answer["result"]["_meta"]["portreeve/absent"]
            .as_object()
            .unwrap();
        assert_eq!(absent.keys().collect::<Vec<_>>(), ["b"]);
        assert!(
            absent["b"].as_str().unwrap().contains("cannot"),
            "{absent:?}"
        );
        let failed = agent.call("b__t", json!({})).await;
        assert_eq!(failed["error"]["code"], 50200, "{failed}");
        let answer = agent.call("c__t", json!({})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "c");
    }
    // Who is gone when a session begins is missing from it, and nothing else is.
    let mut late = Agent::of(&gate);
    let result = late.open().await;
    assert!(
        result["_meta"]["portreeve/absent"]["b"].is_string(),
        "{result}"
    );
    assert_eq!(
        late.listed("prompts/list", "prompts", "name").await,
        ["a__p", "c__p"]
    );
}

#[tokio::test]
async fn a_server_that_is_silent_keeps_nobody_waiting_for_long() {
    let silent = |seen: &Seen| (seen.rpc_method() == "tools/list").then_some(Script::Silence);
    let (a, b) = (Peer::start("a").await, Peer::with("b", silent).await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    // The tests' servers have two seconds.
    let answer = Agent::of(&gate).ask("tools/list", json!({})).await;
    assert_eq!(answer["result"]["tools"].as_array().unwrap().len(), 3);
    assert!(
        answer["result"]["_meta"]["portreeve/absent"]["b"].is_string(),
        "{answer}"
    );
}

#[tokio::test]
async fn a_server_without_such_things_is_not_absent() {
    let without = |seen: &Seen| {
        let error = json!({ "code": -32601, "message": "Method not found" });
        let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error });
        (seen.rpc_method() == "prompts/list").then(|| Script::json(answer.to_string()))
    };
    let (a, b) = (Peer::start("a").await, Peer::with("b", without).await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let answer = Agent::of(&gate).ask("prompts/list", json!({})).await;
    assert_eq!(answer["result"], json!({ "prompts": [{ "name": "a__p" }] }));
}

#[tokio::test]
async fn what_a_grant_reaches_is_seen_by_the_next_list() {
    let (a, b, c) = (
        Peer::start("a").await,
        Peer::start("b").await,
        Peer::start("c").await,
    );
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let prompts = || agent.listed("prompts/list", "prompts", "name");
    assert_eq!(prompts().await, ["a__p", "b__p"]);
    gate.add_server("c", &c.server.url(), NewTools::Quarantine)
        .await;
    let name = |text: &str| portreeve::name::Name::new(text).unwrap();
    let reach = |servers: &[&str]| {
        let policy = Some(name("p"));
        servers
            .iter()
            .map(|server| (name(server), policy.clone()))
            .collect()
    };
    let no_shadows = std::collections::BTreeMap::new;
    let label = portreeve::name::Label::new("tester").unwrap();
    let store = &gate.node.house.store;
    store
        .rewrite_grant(&label, reach(&["a", "b", "c"]), no_shadows(), None)
        .await
        .unwrap();
    gate.node.gate.reload().await.unwrap();
    assert_eq!(prompts().await, ["a__p", "b__p", "c__p"]);
    store
        .rewrite_grant(&label, reach(&["a", "c"]), no_shadows(), None)
        .await
        .unwrap();
    gate.node.gate.reload().await.unwrap();
    assert_eq!(prompts().await, ["a__p", "c__p"]);
    let refused = agent.call("b__t", json!({})).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
}

#[tokio::test]
async fn a_thousand_servers_are_one() {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let server = TestServer::start(move |seen: &Seen| {
        if seen.rpc_method() == "prompts/list" {
            *count.lock().unwrap() += 1;
        }
        super::ordinary("x", &seen.rpc_method(), seen)
    })
    .await;
    let gate = TestGate::empty().await;
    gate.put_policy("p", OPEN).await;
    let names: Vec<String> = (0..1_000).map(|i| format!("s{i}")).collect();
    for name in &names {
        let server = NewServer {
            name: portreeve::name::Name::new(name.as_str()).unwrap(),
            target: Target::Http {
                url: server.url(),
                headers: Vec::new(),
            },
            new_tools: NewTools::Quarantine,
            accept: Accept::Manual,
            private: false,
            timeout_ms: Some(20_000),
        };
        gate.node
            .house
            .store
            .add_server(server, gate.clock.now())
            .await
            .unwrap();
    }
    let routes: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Some("p")))
        .collect();
    gate.add_grant("tester", crate::support::gate::TOKEN, &routes)
        .await;
    let agent = Agent::of(&gate);
    let listed = agent.listed("prompts/list", "prompts", "name").await;
    assert_eq!(listed.len(), 1_000);
    assert_eq!(*seen.lock().unwrap(), 1_000);
    agent.ask("prompts/get", json!({ "name": "s999__p" })).await;
    assert_eq!(gate.booked().pop().unwrap().server.as_deref(), Some("s999"));
}
