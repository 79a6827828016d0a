//! What a server behind the gate can send back.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::{allowing, tools};
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

/// An ordinary server with sessions, but for some of its answers.
async fn with_sessions(
    odd: impl Fn(&str, &Value) -> Option<Script> + Send + Sync + 'static,
) -> TestServer {
    TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
            let answer = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            Script::Json(StatusCode::OK, session, answer.to_string().into_bytes())
        }
        method => {
            let method = if seen.method == Method::GET {
                "GET"
            } else {
                method
            };
            odd(method, &seen.json()).unwrap_or_else(|| plain(seen, &tools(&["t", "secret"])))
        }
    })
    .await
}

/// A server whose answer to the client's `tools/list` (not the gate's own) is this body.
async fn listing(body: Value) -> (TestServer, TestGate) {
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/list" if seen.json()["id"] == 1 => Script::json(body.to_string()),
        _ => plain(seen, &tools(&["t", "secret"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    (server, gate)
}

#[tokio::test]
async fn a_list_under_another_spelling_is_no_list() {
    let all = tools(&["t", "secret"]);
    for result in [
        json!({ "tools": [], "Tools": all }),
        json!({ "Tools": all }),
        json!({ "tools": [], "toolſ": all }),
        json!({ "tools": tools(&["t"]), "NEXTCURSOR": "secret" }),
        json!([all]),
        json!("secret"),
        json!(null),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        let (_server, gate) = listing(body).await;
        let answer = gate.post(LIST).await;
        assert_eq!(answer.json()["error"]["code"], 50200, "{result}");
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_list_of_any_shape_is_cut() {
    let secret = json!({ "name": "secret" });
    for list in [
        json!({ "0": secret }),
        json!([[secret]]),
        json!([{ "name": "t", "Name": "secret" }]),
        json!([{ "name": ["secret"] }]),
        json!([{ "Name": "secret" }]),
        json!(["secret"]),
        json!("secret"),
        json!(null),
    ] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": list } });
        let (_server, gate) = listing(body).await;
        let answer = gate.post(LIST).await.json();
        assert_eq!(answer["result"]["tools"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_prompt_called_two_things_is_listed_as_neither() {
    let prompts = json!([{ "name": "p" }, { "name": "p", "NAME": "secret" }]);
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "prompts/list" => Script::result(seen, &json!({ "prompts": prompts })),
        _ => plain(seen, &json!([])),
    })
    .await;
    let policy = r#"{"version":"1","default":"deny","prompts":{"p":{}}}"#;
    let gate = TestGate::start(&server.url(), policy).await;
    let answer = gate
        .post(r#"{"jsonrpc":"2.0","id":1,"method":"prompts/list"}"#)
        .await;
    assert_eq!(answer.json()["result"]["prompts"], json!([{ "name": "p" }]));
}

/// The spelling that a server chooses does not turn the more dangerous question into the other.
#[tokio::test]
async fn an_elicitation_that_may_open_a_url_is_judged_as_one() {
    for params in [
        json!({ "message": "?", "Mode": "url", "url": "https://evil.example" }),
        json!({ "message": "?", "mode": "form", "MODE": "url", "url": "https://evil.example" }),
        json!({ "message": "?", "url": "https://evil.example" }),
        json!({ "message": "?", "mode": null, "url": "https://evil.example" }),
    ] {
        let question = json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params });
        let event = format!("data: {question}\n\n");
        let server = with_sessions(move |method, _| {
            (method == "tools/call").then(|| Script::events(&[&event]))
        })
        .await;
        let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
        let session = gate.post(HELLO).await.session();
        let answer = gate.post_with(&[("mcp-session-id", &session)], CALL).await;
        assert!(
            !answer.text().contains("evil"),
            "{params}: {}",
            answer.text()
        );

        let asked = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "input_required",
            "inputRequests": { "a": { "method": "elicitation/create", "params": params } } } });
        let server = with_sessions(move |method, _| {
            (method == "tools/call").then(|| Script::json(asked.to_string()))
        })
        .await;
        let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
        let answer = gate.post(CALL).await;
        assert!(
            !answer.text().contains("evil"),
            "{params}: {}",
            answer.text()
        );
    }
}

/// Servers send an answer to whatever stream last bore its id. An agent that uses one id for a
/// list and for a call would get the list where lists are not looked for.
#[tokio::test]
async fn a_list_does_not_come_as_the_answer_to_a_call() {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": tools(&["t", "secret"]) } });
    let list = format!("id: 9\ndata: {list}\n\n");
    let (stall, stream) = mpsc::channel::<Bytes>(1);
    let stream = std::sync::Mutex::new(Some(stream));
    let server = with_sessions(move |method, message| match method {
        "tools/list" if message["id"] == 1 => {
            Some(Script::Stream(Vec::new(), stream.lock().unwrap().take()?))
        }
        "tools/call" => Some(Script::events(&[&list])),
        _ => None,
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let session = [("mcp-session-id", session.as_str())];
    let listing = gate.post_with(&session, LIST);
    let calling = async {
        stall
            .send(Bytes::from(": the list is asked for\n\n"))
            .await
            .unwrap();
        while server.seen("tools/list").len() < 2 {
            tokio::task::yield_now().await;
        }
        let while_it_runs = gate.post_with(&session, CALL).await;
        drop(stall);
        while_it_runs
    };
    let (_, while_it_runs) = tokio::join!(listing, calling);
    // The list's stream broke off: its answer can still come, and the id is not free.
    let afterwards = gate.post_with(&session, CALL).await;
    for answer in [while_it_runs, afterwards] {
        assert!(!answer.text().contains("secret"), "{}", answer.text());
        assert_eq!(answer.decision()["rule"], "(malformed)");
    }
    assert!(server.seen("tools/call").is_empty());
}

#[tokio::test]
async fn an_id_is_free_again_once_it_is_answered() {
    let server = with_sessions(|_, _| None).await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let session = [("mcp-session-id", session.as_str())];
    for body in [LIST, CALL, LIST] {
        let answer = gate.post_with(&session, body).await.json();
        assert!(answer["result"]["isError"].is_null(), "{answer}");
        assert!(answer["result"].is_object(), "{answer}");
    }
}

/// A resumed stream brings what was set aside, and an agent chooses the ids that are set aside.
#[tokio::test]
async fn a_resumed_list_is_filtered_whatever_else_bore_its_id() {
    let list =
        json!({ "jsonrpc": "2.0", "id": "a", "result": { "tools": tools(&["t", "secret"]) } });
    let late = format!("id: 2\ndata: {list}\n\n");
    let server = with_sessions(move |method, message| match method {
        "tools/list" if message["id"] == "a" => Some(Script::events(&["id: 1\ndata: \n\n"])),
        "tools/call" => Some(Script::events(&["id: 1\ndata: \n\n"])),
        "GET" => Some(Script::events(&[&late])),
        _ => None,
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let session = [("mcp-session-id", session.as_str())];
    let list = r#"{"jsonrpc":"2.0","id":"\u0061","method":"tools/list"}"#;
    let call = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t"}}"#;
    gate.post_with(&session, list).await;
    let refused = gate.post_with(&session, call).await;
    assert_eq!(refused.decision()["rule"], "(malformed)");
    let resumed = gate.send(Method::GET, "/mcp/s", &session, "").await;
    assert_eq!(resumed.events()[0]["result"]["tools"], tools(&["t"]));
}

/// An answer that comes on a free stream is not the end of that stream in the ledger.
#[tokio::test]
async fn a_late_answer_does_not_end_the_stream_that_brings_it() {
    let late =
        "id: 2\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}\n\n";
    let server = with_sessions(move |method, _| match method {
        "tools/call" => Some(Script::events(&["id: 1\ndata: \n\n"])),
        "GET" => Some(Script::events(&[late])),
        _ => None,
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let session = [("mcp-session-id", session.as_str())];
    gate.post_with(&session, CALL).await;
    let resumed = gate.send(Method::GET, "/mcp/s", &session, "").await;
    assert_eq!(resumed.events().len(), 1);
    let stream = gate.booked().pop().unwrap();
    assert_eq!(stream.method, "(stream)");
    assert_eq!(stream.end.result, None, "{stream:?}");
}

#[tokio::test]
async fn a_server_cannot_fill_the_ledger() {
    let question = |i: usize| {
        let q = json!({ "jsonrpc": "2.0", "id": i, "method": "sampling/createMessage" });
        format!("data: {q}\n\n")
    };
    let flood: String = (0..3_000).map(question).collect();
    let server =
        with_sessions(move |method, _| (method == "tools/call").then(|| Script::events(&[&flood])))
            .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let session = gate.post(HELLO).await.session();
    let before = gate.head_seq();
    let answer = gate.post_with(&[("mcp-session-id", &session)], CALL).await;
    assert_eq!(answer.events()[0]["error"]["code"], 50200);
    assert!(
        gate.head_seq() - before < 1_100,
        "{}",
        gate.head_seq() - before
    );
}

/// Some clients take U+2028 for the end of a line. What the gate took for a comment, or for a part
/// of a string, would be an event to them that nobody judged.
#[tokio::test]
async fn a_message_does_not_hide_in_a_line_separator() {
    let evil = r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#;
    let stream = format!(
        ": x\u{2028}data: {evil}\u{2028}\u{2028}\n\n\
         data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"x\":\"\u{2028}\u{2028}data: 1\u{2028}\"}}}}\n\n"
    );
    let server = with_sessions(move |method, _| {
        (method == "tools/call").then(|| Script::events(&[&stream]))
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let answer = gate.post(CALL).await;
    assert!(!answer.text().contains("sampling"), "{}", answer.text());
    assert!(!answer.text().contains('\u{2028}'), "{}", answer.text());
    let last = answer.events().pop().unwrap();
    assert_eq!(last["result"]["x"], "\u{2028}\u{2028}data: 1\u{2028}");
}

/// A stream that goes on after its answer would bring what belongs to no call.
#[tokio::test]
async fn nothing_follows_an_answer() {
    let (pump, stream) = mpsc::channel::<Bytes>(4);
    let stream = std::sync::Mutex::new(Some(stream));
    let server = with_sessions(move |method, _| {
        let taken = (method == "tools/call").then(|| stream.lock().unwrap().take());
        Some(Script::Stream(Vec::new(), taken??))
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let answer = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
    let second = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"second\":1}}\n\n";
    for event in [answer, second] {
        pump.send(Bytes::from(event)).await.unwrap();
    }
    // The server keeps its end open; the client's must end all the same.
    assert_eq!(gate.post(CALL).await.text(), answer);
    pump.closed().await;
    assert_eq!(gate.booked().pop().unwrap().end.outcome, "allow");
}

#[tokio::test]
async fn a_stream_ends_with_its_grant() {
    let (pump, stream) = mpsc::channel::<Bytes>(4);
    let stream = std::sync::Mutex::new(Some(stream));
    let server = with_sessions(move |method, _| {
        let taken = (method == "GET").then(|| stream.lock().unwrap().take());
        Some(Script::Stream(Vec::new(), taken??))
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let event = |n: u8| {
        let params = json!({ "data": n });
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params });
        Bytes::from(format!("data: {note}\n\n"))
    };
    let listening = gate.send(Method::GET, "/mcp/s", &[], "");
    let revoking = async {
        pump.send(event(1)).await.unwrap();
        while pump.capacity() < pump.max_capacity() {
            tokio::task::yield_now().await;
        }
        let label = portreeve::name::Label::new("tester").unwrap();
        let store = &gate.node.house.store;
        let revoked = store.revoke_grant(&label, gate.clock.now()).await;
        revoked.unwrap();
        gate.node.gate.reload().await.unwrap();
        pump.send(event(2)).await.unwrap();
        pump.closed().await;
    };
    let (heard, ()) = tokio::join!(listening, revoking);
    assert!(!heard.text().contains(r#""data":2"#), "{}", heard.text());
    assert_eq!(gate.booked().pop().unwrap().end.outcome, "cancelled");
}

#[tokio::test]
async fn only_an_accepted_handshake_opens_a_session() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
    let result = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25"}}"#;
    let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":"no"}}"#;
    for (messages, opens) in [
        (&[result][..], true),
        (&[note, result], true),
        (&[error], false),
        (&[note, error], false),
        (&[note], false),
    ] {
        let events: Vec<String> = messages.iter().map(|m| format!("data: {m}\n\n")).collect();
        let stream = events.concat();
        let sent = stream.clone();
        let server = TestServer::start(move |seen| {
            if seen.rpc_method() == "initialize"
                && seen.json()["params"]["clientInfo"]["name"] == "t"
            {
                let (pump, receiver) = mpsc::channel(1);
                pump.try_send(Bytes::from(sent.clone())).unwrap();
                let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
                return Script::Stream(session, receiver);
            }
            plain(seen, &tools(&["t"]))
        })
        .await;
        let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
        let answer = gate.post(HELLO).await;
        assert!(answer.text().starts_with(&stream), "{}", answer.text());
        assert_eq!(
            answer.headers.contains_key("mcp-session-id"),
            opens,
            "{messages:?}"
        );
        if opens {
            let session = answer.session();
            let headers = [("mcp-session-id", session.as_str())];
            let batch = gate.post_with(&headers, "[]").await.text();
            assert!(batch.contains("batches exist only in"), "{batch}");
        }
    }
}

#[tokio::test]
async fn an_answer_stays_here_when_its_grant_has_ended() {
    let (answering, answers) = mpsc::channel::<Bytes>(1);
    let answers = std::sync::Mutex::new(Some(answers));
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" => Script::Late(answers.lock().unwrap().take().unwrap()),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::start(&server.url(), &allowing(&["t"])).await;
    let (at, of) = (&server, &gate);
    let revoking = async move {
        while at.seen("tools/call").is_empty() {
            tokio::task::yield_now().await;
        }
        let label = portreeve::name::Label::new("tester").unwrap();
        let store = &of.node.house.store;
        store.revoke_grant(&label, of.clock.now()).await.unwrap();
        of.node.gate.reload().await.unwrap();
        let answer =
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"mine"}]}}"#;
        answering.send(Bytes::from(answer)).await.unwrap();
        drop(answering);
    };
    let (heard, ()) = tokio::join!(gate.post(CALL), revoking);
    let error = &heard.json()["error"];
    assert_eq!(error["data"]["may_have_run"], true, "{}", heard.text());
    assert!(!heard.text().contains("mine"), "{}", heard.text());
    assert_eq!(gate.booked().pop().unwrap().end.outcome, "cancelled");
}

#[tokio::test]
async fn a_free_stream_is_held_to_the_rules_in_force() {
    let (pump, stream) = mpsc::channel::<Bytes>(4);
    let stream = std::sync::Mutex::new(Some(stream));
    let server = with_sessions(move |method, _| {
        let taken = (method == "GET").then(|| stream.lock().unwrap().take());
        Some(Script::Stream(Vec::new(), taken??))
    })
    .await;
    let policy = |more: &str| {
        format!(r#"{{ "version": "1", "default": "deny", "tools": {{ "t": {{ {more} }} }} }}"#)
    };
    let gate = TestGate::start(&server.url(), &policy("")).await;
    let event = |n: u8| {
        let params = json!({ "data": format!("tiger-{n}") });
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params });
        Bytes::from(format!("data: {note}\n\n"))
    };
    let listening = gate.send(Method::GET, "/mcp/s", &[], "");
    let changing = async {
        pump.send(event(1)).await.unwrap();
        while pump.capacity() < pump.max_capacity() {
            tokio::task::yield_now().await;
        }
        // What was sent has to be there before the rules change.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let redact = r#""redact": [{ "detect": { "regex": "tiger-[0-9]+" }, "replace": "cat" }]"#;
        gate.put_policy("p", &policy(redact)).await;
        pump.send(event(2)).await.unwrap();
        drop(pump);
    };
    let (heard, ()) = tokio::join!(listening, changing);
    let heard = heard.text();
    assert!(heard.contains("tiger-1"), "{heard}");
    assert!(
        heard.contains("cat") && !heard.contains("tiger-2"),
        "{heard}"
    );
}
