//! Sessions: ours over one of each server's.

use http::Method;
use portreeve::gate::Status;
use serde_json::json;

use super::{Agent, OPEN, Peer, gate_with};
use crate::support::gate::TOKEN;

#[tokio::test]
async fn an_introduction_is_of_all_servers() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let mut agent = Agent::of(&gate);
    let result = agent.open().await;
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["serverInfo"]["name"], "portreeve");
    assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
    assert_eq!(result["instructions"], "## a\n\nI am a\n\n## b\n\nI am b");
    assert!(result["_meta"].is_null(), "{result}");
    let id = agent.session.clone().unwrap();
    assert_eq!(id.len(), 32);
    for peer in [&a, &b] {
        let hello = peer.heard("initialize").pop().unwrap();
        assert_eq!(hello["params"]["clientInfo"]["name"], "agent");
        assert_eq!(peer.heard("notifications/initialized").len(), 1);
        assert_ne!(peer.session("notifications/initialized"), id);
    }
    assert_eq!(agent.ask("ping", json!({})).await["result"], json!({}));
    let set = agent
        .ask("logging/setLevel", json!({ "level": "error" }))
        .await;
    assert_eq!(set["result"], json!({}));
    assert_eq!(
        a.heard("logging/setLevel").len() + b.heard("logging/setLevel").len(),
        2
    );
    let roots = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    assert_eq!(agent.post(&roots).await.status, Status::Accepted);
    assert_eq!(a.heard("notifications/roots/list_changed").len(), 1);
    assert_eq!(b.heard("notifications/roots/list_changed").len(), 1);
}

#[tokio::test]
async fn an_inner_session_that_ends_is_opened_anew_with_what_it_knew() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    agent
        .ask("logging/setLevel", json!({ "level": "error" }))
        .await;
    agent
        .ask(
            "resources/subscribe",
            json!({ "uri": "portreeve:a:file:///x" }),
        )
        .await;
    let before = a.session("logging/setLevel");
    a.lost.lock().unwrap().push(before.clone());
    a.server.forget();
    let answer = agent.call("a__t", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "a", "{answer}");
    assert_ne!(a.session("tools/call"), before);
    for method in [
        "initialize",
        "notifications/initialized",
        "logging/setLevel",
    ] {
        assert_eq!(a.heard(method).len(), 1, "{method}");
    }
    assert_eq!(
        a.heard("resources/subscribe")[0]["params"]["uri"],
        "file:///x"
    );
    assert_eq!(
        b.heard("initialize").len(),
        b.heard("notifications/initialized").len()
    );
}

#[tokio::test]
async fn a_session_is_its_grants_and_ends_everywhere() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let mut agent = Agent::in_session(&gate).await;
    let other = "other-token-0123456789-abcdefghijklmnop";
    gate.add_grant("other", other, &[("a", Some("p")), ("b", Some("p"))])
        .await;
    let stranger = Agent {
        token: other,
        session: agent.session.clone(),
        joint: agent.joint.clone(),
        gate: agent.gate.clone(),
    };
    let ping = super::request(1, "ping", json!({}));
    assert_eq!(stranger.post(&ping).await.status, Status::NoSession);
    assert_eq!(agent.post(&ping).await.status, Status::Fine);
    let headers = agent.headers(&[]);
    let end = || async {
        let party = agent.gate.admit_party(&headers).unwrap();
        agent.joint.end_session(party, &headers).await.status
    };
    assert_eq!(end().await, Status::Fine);
    assert_eq!(end().await, Status::NoSession);
    for peer in [&a, &b] {
        let ends = peer.server.seen("");
        let ends: Vec<_> = ends
            .iter()
            .filter(|seen| seen.method == Method::DELETE)
            .collect();
        assert_eq!(ends.len(), 1);
        let ended = ends[0].header("mcp-session-id").unwrap();
        assert_eq!(ended, peer.session("notifications/initialized"));
    }
    assert_eq!(agent.post(&ping).await.status, Status::NoSession);
    agent.session = None;
    agent.token = TOKEN;
    assert_eq!(
        agent.listed("prompts/list", "prompts", "name").await,
        ["a__p", "b__p"]
    );
}

#[tokio::test]
async fn an_id_runs_once_at_a_time_wherever_it_runs() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let call = |tool: &str| super::request(1, "tools/call", json!({ "name": tool }));
    let running = agent.post(&call("a__ask")).await;
    let refused = super::message(agent.post(&call("b__t")).await).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert!(b.heard("tools/call").is_empty());
    drop(running);
}

#[tokio::test]
async fn a_malformed_message_is_refused_and_booked_for_no_server() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    for (body, code) in [
        ("{", -32700),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"Name":1}}"#,
            -32600,
        ),
    ] {
        let refused = super::message(agent.post_with(&[], body).await).await;
        assert_eq!(refused["error"]["code"], code, "{body}: {refused}");
        let booked = gate.booked().pop().unwrap();
        assert_eq!(
            (booked.server, booked.rule.as_str()),
            (None, "(malformed)"),
            "{body}"
        );
    }
    let unknown = agent.ask("odd/method", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    assert_eq!(gate.booked().pop().unwrap().method, "odd/method");
    assert!(a.heard("odd/method").is_empty());
}

#[tokio::test]
async fn what_a_session_keeps_is_what_its_servers_took_and_no_more() {
    let refusing = |seen: &crate::support::server::Seen| {
        let uri = seen.json()["params"]["uri"].as_str()?.to_owned();
        let refused = seen.rpc_method() == "resources/subscribe" && uri.ends_with("/no");
        let error = json!({ "code": -32002, "message": "no such resource" });
        let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "error": error });
        refused.then(|| crate::support::Script::json(answer.to_string()))
    };
    let (a, b) = (Peer::with("a", refusing).await, Peer::start("b").await);
    let policy =
        r#"{"version":"1","default":"allow","resources":{"file:///denied":{"action":"deny"}}}"#;
    let gate = gate_with(&[("a", &a), ("b", &b)], policy).await;
    let agent = Agent::in_session(&gate).await;
    for level in ["error", "loud"] {
        let params = json!({ "level": level, "padding": "x".repeat(1_000) });
        agent.ask("logging/setLevel", params).await;
    }
    let long = format!("file:///{}", "x".repeat(5_000));
    for uri in ["file:///yes", "file:///no", "file:///denied", &long] {
        let uri = format!("portreeve:a:{uri}");
        agent
            .ask("resources/subscribe", json!({ "uri": uri }))
            .await;
    }
    assert_eq!(
        a.heard("resources/subscribe").len(),
        3,
        "all but the denied one"
    );
    let before = a.session("resources/subscribe");
    a.lost.lock().unwrap().push(before);
    a.server.forget();
    agent.call("a__t", json!({})).await;
    let renewed = a.heard("resources/subscribe");
    assert_eq!(renewed.len(), 1, "{renewed:?}");
    assert_eq!(renewed[0]["params"], json!({ "uri": "file:///yes" }));
    let levels = a.heard("logging/setLevel");
    assert_eq!(levels.len(), 1, "{levels:?}");
    assert_eq!(levels[0]["params"], json!({ "level": "error" }));
}

#[tokio::test]
async fn a_long_subscription_is_refused_for_it_is_kept() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::of(&gate);
    let uri = format!("portreeve:a:file:///{}", "x".repeat(70_000));
    let filter = json!({ "resourceSubscriptions": [uri] });
    let refused = agent
        .modern("subscriptions/listen", json!({ "notifications": filter }))
        .await;
    let refused = super::message(refused).await;
    let words = refused["error"]["message"].as_str().unwrap();
    assert!(words.contains("65536 bytes"), "{words}");
    assert!(a.heard("subscriptions/listen").is_empty());
}
