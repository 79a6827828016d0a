//! The servers' free streams as one, and where a client goes on from.

use serde_json::{Value, json};

use super::{Agent, OPEN, Peer, event, gate_with};

fn changed(what: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": format!("notifications/{what}/list_changed") })
}

fn updated(uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } })
}

#[tokio::test]
async fn what_any_server_says_comes_on_the_one_stream() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut free = agent.listen(None).await;
    let (from_a, from_b) = (a.stream(1).await, b.stream(1).await);
    from_a.send(event(None, &changed("tools"))).await.unwrap();
    assert_eq!(free.message().await, changed("tools"));
    from_b.send(event(None, &changed("prompts"))).await.unwrap();
    assert_eq!(free.message().await, changed("prompts"));
    from_b
        .send(event(None, &updated("file:///same")))
        .await
        .unwrap();
    assert_eq!(free.message().await, updated("portreeve:b:file:///same"));
}

#[tokio::test]
async fn a_cut_stream_goes_on_at_every_server_from_its_own_event() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut free = agent.listen(None).await;
    let (from_a, from_b) = (a.stream(1).await, b.stream(1).await);
    let mut ids = Vec::new();
    for (stream, id) in [(&from_a, "one"), (&from_b, "one"), (&from_a, "two")] {
        stream
            .send(event(Some(id), &changed("tools")))
            .await
            .unwrap();
        ids.push(free.next().await.unwrap().0.unwrap());
    }
    drop(free);
    let resumed = agent.listen(Some(&ids[1])).await;
    a.stream(2).await;
    b.stream(2).await;
    for peer in [&a, &b] {
        let opened = peer.server.seen("");
        let last = opened
            .iter()
            .rev()
            .find(|seen| seen.method == http::Method::GET)
            .unwrap();
        assert_eq!(last.header("last-event-id"), Some("one"));
    }
    drop(resumed);
    let headers = agent.headers(&[("last-event-id", "999")]);
    let party = agent.gate.admit_party(&headers).unwrap();
    let refused = agent.joint.listen(party, &headers).await;
    assert_eq!(refused.status, portreeve::gate::Status::Malformed);
}

#[tokio::test]
async fn a_server_whose_stream_ends_is_listened_to_again() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut free = agent.listen(None).await;
    let (from_a, _from_b) = (a.stream(1).await, b.stream(1).await);
    a.free.lock().unwrap().clear();
    drop(from_a);
    let again = a.stream(1).await;
    again.send(event(None, &changed("tools"))).await.unwrap();
    assert_eq!(free.message().await, changed("tools"));
}

#[tokio::test]
async fn a_second_stream_takes_the_place_of_the_first() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut first = agent.listen(None).await;
    a.stream(1).await;
    let mut second = agent.listen(None).await;
    assert_eq!(first.next().await, None);
    a.stream(2)
        .await
        .send(event(None, &changed("tools")))
        .await
        .unwrap();
    assert_eq!(second.message().await, changed("tools"));
    // The gate's own end ends it as well.
    gate.node.stop().await.unwrap();
    assert_eq!(second.next().await, None);
}

#[tokio::test]
async fn the_stream_of_an_answer_is_taken_up_at_its_server() {
    let resumable = |seen: &crate::support::server::Seen| {
        (seen.rpc_method() == "tools/call" && seen.json()["params"]["name"] == "t").then(|| {
            crate::support::Script::events(&["id: 5\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n"])
        })
    };
    let (a, b) = (Peer::start("a").await, Peer::with("b", resumable).await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let call = super::request(3, "tools/call", json!({ "name": "b__t" }));
    let mut stream = super::Stream::of(agent.post(&call).await);
    let (id, _) = stream.next().await.unwrap();
    assert_eq!(stream.next().await, None);
    let mut resumed = agent.listen(id.as_deref()).await;
    let rest = b.stream(1).await;
    let asked = b.server.seen("");
    let asked = asked
        .iter()
        .rev()
        .find(|seen| seen.method == http::Method::GET)
        .unwrap();
    assert_eq!(asked.header("last-event-id"), Some("5"));
    let answer = super::answered_with(&json!(3), "late");
    rest.send(event(Some("6"), &answer)).await.unwrap();
    assert_eq!(resumed.message().await, answer);
    assert!(a.free.lock().unwrap().is_empty());
}
