//! The modern era: discovery and subscriptions of several servers as one.

use portreeve::gate::Status;
use serde_json::json;

use super::{Agent, MODERN, OPEN, Peer, Stream, event, gate_with, message};
use crate::support::Script;
use crate::support::server::Seen;

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

#[tokio::test]
async fn discovery_and_lists_are_of_all_servers() {
    let (a, b, c) = (
        Peer::start("a").await,
        Peer::start("b").await,
        Peer::start("c").await,
    );
    let gate = gate_with(&[("a", &a), ("b", &b), ("c", &c)], OPEN).await;
    c.server.vanish().await;
    let agent = Agent::of(&gate);
    let found = message(agent.modern("server/discover", json!({})).await).await["result"].clone();
    assert_eq!(found["supportedVersions"], json!([MODERN]));
    assert_eq!(found["capabilities"], json!({ "tools": {} }));
    assert_eq!(found["instructions"], "## a\n\na\n\n## b\n\nb");
    assert_eq!(
        (&found["ttlMs"], &found["cacheScope"]),
        (&json!(0), &json!("private"))
    );
    assert!(
        found["_meta"]["portreeve/absent"]["c"].is_string(),
        "{found}"
    );
    let listed = message(agent.modern("tools/list", json!({})).await).await["result"].clone();
    assert_eq!(listed["tools"].as_array().unwrap().len(), 6);
    assert_eq!(
        (&listed["resultType"], &listed["cacheScope"]),
        (&json!("complete"), &json!("private"))
    );
}

#[tokio::test]
async fn one_subscription_is_at_all_servers() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let filter = json!({
        "toolsListChanged": true,
        "resourceSubscriptions": ["portreeve:b:file:///same", "portreeve:a:x:y", "portreeve:b:z:"],
    });
    let reply = agent
        .modern("subscriptions/listen", json!({ "notifications": filter }))
        .await;
    let mut stream = Stream::of(reply);
    let opening = stream.message().await;
    assert_eq!(
        opening["method"],
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(opening["params"]["_meta"][SUBSCRIPTION], 1);
    let agreed = &opening["params"]["notifications"];
    assert_eq!(agreed["toolsListChanged"], true);
    let mut uris: Vec<_> = agreed["resourceSubscriptions"].as_array().unwrap().clone();
    uris.sort_by_key(ToString::to_string);
    assert_eq!(
        json!(uris),
        json!([
            "portreeve:a:x:y",
            "portreeve:b:file:///same",
            "portreeve:b:z:"
        ])
    );
    let asked = b.heard("subscriptions/listen");
    let own = &asked[0]["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*own, json!(["file:///same", "z:"]));

    let note = |uri: &str| {
        json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": { "uri": uri, "_meta": { SUBSCRIPTION: 1 } } })
    };
    let from_b = b.stream(1).await;
    from_b
        .send(event(None, &note("file:///same")))
        .await
        .unwrap();
    assert_eq!(stream.message().await, note("portreeve:b:file:///same"));
    // A server whose stream ends is asked again, and the client hears of no second opening.
    b.free.lock().unwrap().clear();
    drop(from_b);
    b.stream(1)
        .await
        .send(event(None, &note("z:")))
        .await
        .unwrap();
    assert_eq!(stream.message().await, note("portreeve:b:z:"));
    let from_a = a.stream(1).await;
    from_a.send(event(None, &note("x:y"))).await.unwrap();
    assert_eq!(stream.message().await, note("portreeve:a:x:y"));
}

#[tokio::test]
async fn a_server_without_subscriptions_is_told_of_and_the_others_are_heard() {
    let without = |seen: &Seen| {
        let error = json!({ "code": -32601, "message": "Method not found" });
        let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error });
        (seen.rpc_method() == "subscriptions/listen").then(|| Script::json(answer.to_string()))
    };
    let (a, b) = (Peer::start("a").await, Peer::with("b", without).await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = Stream::of(agent.modern("subscriptions/listen", filter.clone()).await);
    let opening = stream.message().await;
    assert!(
        opening["params"]["_meta"]["portreeve/absent"]["b"].is_string(),
        "{opening}"
    );
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    a.stream(1).await.send(event(None, &changed)).await.unwrap();
    assert_eq!(stream.message().await, changed);
    a.server.vanish().await;
    let none = message(agent.modern("subscriptions/listen", filter).await).await;
    assert_eq!(none["error"]["code"], 50200, "{none}");
    let stray = json!({ "notifications": { "resourceSubscriptions": ["file:///x"] } });
    let refused = message(agent.modern("subscriptions/listen", stray).await).await;
    assert_eq!(refused["error"]["code"], 40300, "{refused}");
}

#[tokio::test]
async fn a_modern_request_is_whole_and_of_its_era_or_refused_by_the_gate() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let headers = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    let bare = super::request(1, "tools/list", json!({})).to_string();
    let refused = agent.post_with(&headers, bare).await;
    assert_eq!(refused.status, Status::Malformed);
    assert_eq!(message(refused).await["error"]["code"], -32602);
    for method in ["ping", "logging/setLevel", "odd/method"] {
        let refused = agent.modern(method, json!({})).await;
        assert_eq!(refused.status, Status::NotFound, "{method}");
        assert_eq!(message(refused).await["error"]["code"], -32601, "{method}");
    }
    assert!(a.heard("").is_empty() && b.heard("").is_empty());
}

#[tokio::test]
async fn a_task_is_named_in_its_header_as_its_server_names_it() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let begin = json!({ "name": "b__t", "task": {} });
    let answer = message(agent.modern("tools/call", begin).await).await;
    let id = answer["result"]["task"]["taskId"].clone();
    let got = message(agent.modern("tasks/get", json!({ "taskId": id })).await).await;
    assert_eq!(got["result"]["taskId"], id, "{got}");
    let asked = b.server.seen("tasks/get");
    assert_eq!(asked[0].header("mcp-name"), Some("1"));
}
