//! Legacy sessions: a process for each, and everything a server may say in one.

use http::Method;
use serde_json::{Value, json};

use super::{Open, Scripted, act, eventually, initialize, text_of};
use crate::support::gate::Answer;

#[tokio::test]
async fn a_session_has_a_process_of_its_own() {
    let s = Scripted::start().await;
    let (one, two) = (s.session().await, s.session().await);
    for (session, count) in [(&one, "1"), (&one, "2"), (&two, "1"), (&one, "3")] {
        let answer = s.act(session, 1, "count").await;
        assert_eq!(text_of(&answer.json()), count);
    }
    let house = s.pids()[0];
    let [_, first, second] = s.pids()[..] else {
        panic!("a house and two sessions: {:?}", s.pids());
    };
    let deleted = s
        .gate
        .send(Method::DELETE, "/mcp/s", &[("mcp-session-id", &one)], "")
        .await;
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    eventually("the first session's process ends", || !super::lives(first)).await;
    assert!(super::lives(second) && super::lives(house));
    assert_eq!(s.act(&one, 1, "count").await.status, 404);
    assert_eq!(text_of(&s.act(&two, 2, "count").await.json()), "2");
}

#[tokio::test]
async fn a_message_arrives_as_its_bytes_on_one_line() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let spread = "{\"jsonrpc\":\"2.0\",\r\n  \"id\" : \"a\\u0062\",\n\"method\":\"tools/call\",\
                  \"params\":{\"name\":\"act\",\"arguments\":{\"x\":1.0e1,\"y\":\"\\n\u{2028}\"}}}";
    let answer = s
        .gate
        .post_with(&[("mcp-session-id", &session)], spread)
        .await;
    assert_eq!(answer.json()["id"], "ab");
    assert_eq!(text_of(&answer.json()), "fine");
    let blank = |c| if c == '\n' || c == '\r' { ' ' } else { c };
    let line: String = spread.chars().map(blank).collect();
    assert!(s.log().contains(&line), "{line}\n{:#?}", s.log());
}

#[tokio::test]
async fn a_server_asks_within_the_call_and_is_answered() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let mut call = Open::request(&s.gate, Method::POST, &session, act(5, "ask").to_string()).await;
    let question = call.next().await;
    assert_eq!(question["method"], "roots/list");
    let roots = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
    let accepted = s.in_session(&session, &roots).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text());
    let answer = call.next().await;
    assert_eq!(
        (answer["id"].as_u64(), text_of(&answer)),
        (Some(5), "heard")
    );
    call.end().await;
}

#[tokio::test]
async fn progress_goes_to_the_call_it_is_about() {
    let s = Scripted::start().await;
    let session = s.session().await;
    // Another call runs, so that the only one is not it.
    let held = Open::request(&s.gate, Method::POST, &session, act(6, "hold").to_string());
    let mut call = act(7, "progress");
    call["params"]["_meta"] = json!({ "progressToken": "p-7" });
    let calls = async {
        eventually("the first call arrived", || s.sent("hold") == 1).await;
        let mut call = Open::request(&s.gate, Method::POST, &session, call.to_string()).await;
        let progress = call.next().await;
        assert_eq!(
            progress["params"],
            json!({ "progressToken": "p-7", "progress": 1 })
        );
        assert_eq!(text_of(&call.next().await), "done");
        assert_eq!(
            text_of(&s.act(&session, 8, "release").await.json()),
            "released"
        );
    };
    let (held, ()) = tokio::join!(held, calls);
    // It was answered whole, in the meantime.
    held.end().await;
}

#[tokio::test]
async fn what_is_unasked_waits_for_the_free_stream() {
    let s = Scripted::start().await;
    let session = s.session().await;
    assert_eq!(
        text_of(&s.act(&session, 1, "unasked").await.json()),
        "later"
    );
    let mut free = Open::request(&s.gate, Method::GET, &session, String::new()).await;
    assert_eq!(
        free.next().await["method"],
        "notifications/resources/list_changed"
    );
    // With the stream open it comes at once.
    assert_eq!(
        text_of(&s.act(&session, 2, "unasked").await.json()),
        "later"
    );
    assert_eq!(
        free.next().await["method"],
        "notifications/resources/list_changed"
    );
    let deleted = s
        .gate
        .send(
            Method::DELETE,
            "/mcp/s",
            &[("mcp-session-id", &session)],
            "",
        )
        .await;
    assert_eq!(deleted.status, 200);
    free.end().await;
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_and_the_late_answer_is_nobodys() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let call = Open::request(&s.gate, Method::POST, &session, act(9, "hold").to_string());
    let mut call = Box::pin(call);
    tokio::select! {
        _ = &mut call => panic!("it is held"),
        () = eventually("the call arrived", || s.sent("\"hold\"") == 1) => {}
    }
    drop(call);
    eventually("the server is told", || {
        s.sent("notifications/cancelled") == 1
    })
    .await;
    let cancelled = s
        .log()
        .into_iter()
        .find(|line| line.contains("cancelled"))
        .unwrap();
    let cancelled: Value = serde_json::from_str(&cancelled).unwrap();
    assert_eq!(cancelled["params"]["requestId"], 9);
    // The same id again, while the late answer comes: it is told from the new one.
    let again = s.act(&session, 9, "release").await.json();
    assert_eq!(
        (again["id"].as_u64(), text_of(&again)),
        (Some(9), "released")
    );
    let booked = s.gate.booked();
    let outcomes: Vec<&str> = booked
        .iter()
        .map(|call| call.end.outcome.as_str())
        .collect();
    assert!(outcomes.contains(&"cancelled"), "{outcomes:?}");
}

#[tokio::test]
async fn a_clients_own_cancellation_is_passed_on_and_ends_the_call() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
                         "params": { "requestId": 3, "reason": "enough" } });
    let hang = act(3, "hang");
    let call = s.in_session(&session, &hang);
    let cancelling = async {
        eventually("the call arrived", || s.sent("\"hang\"") == 1).await;
        assert_eq!(s.in_session(&session, &cancel).await.status, 202);
    };
    let (answer, ()) = tokio::join!(call, cancelling);
    assert!(
        answer.text().contains("cancelled the request"),
        "{}",
        answer.text()
    );
    // By the time it answers another call it has read what came before.
    assert_eq!(text_of(&s.act(&session, 4, "x").await.json()), "fine");
    assert_eq!(s.sent("\"reason\":\"enough\""), 1);
    assert_eq!(s.sent("notifications/cancelled"), 1, "it is told once");
}

#[tokio::test]
async fn a_refused_call_does_not_reach_the_process() {
    let s = Scripted::start().await;
    s.gate
        .put_policy("p", r#"{"version":"1","default":"deny"}"#)
        .await;
    let session = s.session().await;
    let denied = s.act(&session, 1, "x").await;
    assert!(
        denied.text().contains("[POLICY DENIED]"),
        "{}",
        denied.text()
    );
    assert_eq!(s.sent("tools/call"), 0);
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    assert_eq!(
        s.in_session(&session, &list).await.json()["result"]["tools"],
        json!([])
    );
}

#[tokio::test]
async fn a_server_that_is_configured_anew_starts_anew() {
    let s = Scripted::start().await;
    let session = s.session().await;
    // A reload that changes nothing of it leaves its processes alone.
    s.gate.node.gate.reload().await.unwrap();
    assert_eq!(text_of(&s.act(&session, 1, "count").await.json()), "1");
    let store = &s.gate.node.house.store;
    let name = portreeve::name::Name::new("s").unwrap();
    store.remove_server(&name).await.unwrap();
    s.gate.node.gate.reload().await.unwrap();
    eventually("its processes end", || s.children() == 0).await;
    assert_eq!(s.gate.post(initialize().to_string()).await.status, 403);
}

/// What a client sends that would rather have streams and can come back to them.
fn returning(session: &str) -> [(&'static str, &str); 3] {
    [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
        ("accept", "text/event-stream, application/json"),
    ]
}

async fn come_back(s: &Scripted, session: &str, event: &str) -> Answer {
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
        ("accept", "text/event-stream"),
        ("last-event-id", event),
    ];
    s.gate.send(Method::GET, "/mcp/s", &headers, "").await
}

#[tokio::test]
async fn a_client_that_lost_its_stream_comes_back_for_the_answer() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let mut held = Open::asked(&s.gate, &returning(&session), act(5, "hold").to_string()).await;
    let first = held.next_text().await;
    let id = first.lines().find_map(|line| line.strip_prefix("id: "));
    let id = id.expect("an id").to_owned();
    assert!(
        first.contains("retry: ") && first.ends_with("data: "),
        "{first}"
    );
    drop(held);
    let released = s.act(&session, 6, "release").await;
    assert_eq!(text_of(&released.json()), "released");
    assert_eq!(s.sent("notifications/cancelled"), 0, "it is waited for");
    let rest = come_back(&s, &session, &id).await;
    let answer = rest.events().remove(0);
    assert_eq!(
        (answer["id"].as_u64(), text_of(&answer)),
        (Some(5), "held 5")
    );
    // What was lost on its way comes again; what was seen does not.
    let last = rest.event_ids().pop().expect("an id");
    assert_eq!(
        come_back(&s, &session, &last).await.events(),
        [] as [Value; 0]
    );
    let another = s.session().await;
    assert_eq!(come_back(&s, &another, &id).await.status, 400);
}

#[tokio::test]
async fn an_answer_in_a_stream_has_an_id_to_come_back_with() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let mut call = act(5, "progress");
    call["params"]["_meta"] = json!({ "progressToken": "p" });
    let answer = s
        .gate
        .post_with(&returning(&session), call.to_string())
        .await;
    let ids = answer.event_ids();
    assert_eq!(ids.len(), 3, "{}", answer.text());
    let missed = come_back(&s, &session, &ids[1]).await;
    assert_eq!(text_of(&missed.events()[0]), "done");
    // Its id is for no other request, for its answer could come again.
    let again = s.act(&session, 5, "x").await;
    assert_eq!(again.decision()["rule"], "(malformed)", "{}", again.text());
}
