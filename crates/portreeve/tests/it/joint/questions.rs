//! What servers ask the client: two of them under one id, each answered by its own answer.

use portreeve::gate::Status;
use serde_json::{Value, json};

use super::{Agent, OPEN, Peer, Stream, gate_with, request};

/// Both servers in the middle of a call, each with a question. The streams, and the questions.
async fn both_ask(agent: &Agent) -> [(Stream, Value); 2] {
    let mut asked = Vec::new();
    for (id, server) in [(11, "a"), (12, "b")] {
        let mut call = request(
            id,
            "tools/call",
            json!({ "name": format!("{server}__ask"), "arguments": { "token": format!("tok-{server}") } }),
        );
        call["params"]["_meta"] = json!({ "progressToken": format!("tok-{server}") });
        let mut stream = Stream::of(agent.post(&call).await);
        let progress = stream.message().await;
        assert_eq!(progress["method"], "notifications/progress", "{progress}");
        let question = stream.message().await;
        assert_eq!(question["method"], "sampling/createMessage", "{question}");
        asked.push((stream, question));
    }
    let second = asked.pop().unwrap();
    [asked.pop().unwrap(), second]
}

fn answer(question: &Value, words: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "words": words } })
}

#[tokio::test]
async fn two_questions_with_one_id_are_answered_each_by_its_own() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let [(mut from_a, of_a), (mut from_b, of_b)] = both_ask(&agent).await;
    assert_ne!(of_a["id"], of_b["id"]);
    let token = |question: &Value| question["params"]["_meta"]["progressToken"].clone();
    assert_ne!(token(&of_a), token(&of_b));

    let told = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
        "params": { "progressToken": token(&of_b), "progress": 1 } });
    assert_eq!(agent.post(&told).await.status, Status::Accepted);
    let heard = b.heard("notifications/progress");
    assert_eq!(heard[0]["params"]["progressToken"], 7);
    assert!(a.heard("notifications/progress").is_empty());

    assert_eq!(
        agent.post(&answer(&of_b, "to b")).await.status,
        Status::Accepted
    );
    assert_eq!(
        agent.post(&answer(&of_a, "to a")).await.status,
        Status::Accepted
    );
    for (stream, server, words) in [(&mut from_a, &a, "to a"), (&mut from_b, &b, "to b")] {
        let given = server.heard("");
        let given: Vec<_> = given
            .iter()
            .filter(|m| m["result"]["words"].is_string())
            .collect();
        assert_eq!(given.len(), 1);
        assert_eq!(given[0]["id"], 7);
        assert_eq!(given[0]["result"]["words"], words);
        let answer = stream.message().await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
    }
    // Once is enough.
    assert_eq!(
        agent.post(&answer(&of_a, "again")).await.status,
        Status::Forbidden
    );
    let nobodys = json!({ "jsonrpc": "2.0", "id": "7", "result": {} });
    assert_eq!(agent.post(&nobodys).await.status, Status::Forbidden);
}

#[tokio::test]
async fn a_cancellation_reaches_the_server_that_runs_the_request() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let asked = both_ask(&agent).await;
    let cancel = |id: u64| json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } });
    assert_eq!(agent.post(&cancel(12)).await.status, Status::Accepted);
    assert_eq!(
        b.heard("notifications/cancelled")[0]["params"]["requestId"],
        12
    );
    assert_eq!(agent.post(&cancel(99)).await.status, Status::Accepted);
    assert!(a.heard("notifications/cancelled").is_empty());
    drop(asked);
}

#[tokio::test]
async fn a_server_cannot_speak_of_anothers_request() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let [(_from_a, of_a), (_from_b, of_b)] = both_ask(&agent).await;
    let mut free = agent.listen(None).await;
    let stream = b.stream(1).await;
    let tell = |method: &str, params: Value| {
        super::event(
            None,
            &json!({ "jsonrpc": "2.0", "method": method, "params": params }),
        )
    };
    for (method, params) in [
        (
            "notifications/progress",
            json!({ "progressToken": "tok-a", "progress": 2 }),
        ),
        (
            "notifications/cancelled",
            json!({ "requestId": of_a["id"] }),
        ),
        (
            "notifications/progress",
            json!({ "progressToken": "tok-b", "progress": 3 }),
        ),
        ("notifications/cancelled", json!({ "requestId": 7 })),
    ] {
        stream.send(tell(method, params)).await.unwrap();
    }
    let progress = free.message().await;
    assert_eq!(progress["params"]["progress"], 3, "{progress}");
    let cancelled = free.message().await;
    assert_eq!(cancelled["params"]["requestId"], of_b["id"], "{cancelled}");
}

#[tokio::test]
async fn a_policy_that_denies_a_question_denies_it_here() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let policy = r#"{"version":"1","default":"allow"}"#;
    let gate = gate_with(&[("a", &a), ("b", &b)], policy).await;
    let agent = Agent::in_session(&gate).await;
    let answer = agent.call("a__ask", json!({})).await;
    // The server was told, and its answer says what.
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("[POLICY DENIED]"), "{text}");
}

#[tokio::test]
async fn a_task_of_the_client_is_the_business_of_one_server() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let [(_from_a, of_a), _of_b] = both_ask(&agent).await;
    let task = json!({ "task": { "taskId": "secret", "status": "working" } });
    let taken = json!({ "jsonrpc": "2.0", "id": of_a["id"], "result": task });
    assert_eq!(agent.post(&taken).await.status, Status::Accepted);
    let mut free = agent.listen(None).await;
    let ask = |method: &str| {
        let params = json!({ "taskId": "secret" });
        super::event(None, &request(90, method, params))
    };
    let from_b = b.stream(1).await;
    for (count, method) in [(1, "tasks/list"), (2, "tasks/get")] {
        from_b.send(ask(method)).await.unwrap();
        // It was told that it is not asked of the client.
        b.until(|b| {
            b.heard("")
                .iter()
                .filter(|m| m["error"].is_object())
                .count()
                == count
        })
        .await;
    }
    a.stream(1).await.send(ask("tasks/get")).await.unwrap();
    let asked = free.message().await;
    assert_eq!(asked["method"], "tasks/get", "{asked}");
    let answered = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "status": "done" } });
    assert_eq!(agent.post(&answered).await.status, Status::Accepted);
    let heard = a.heard("");
    assert!(
        heard.iter().any(|m| m["result"]["status"] == "done"),
        "{heard:?}"
    );
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status",
        "params": { "taskId": "secret", "status": "completed" } });
    assert_eq!(agent.post(&told).await.status, Status::Accepted);
    assert_eq!(a.heard("notifications/tasks/status").len(), 1);
    assert!(b.heard("notifications/tasks/status").is_empty());
}
