//! What comes back from a call: with secrets taken out of it, or withheld.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::tools;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
const SHOWN: &str = "[redacted: secret]";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;

/// Secrets go from everything; only what has a limit has one.
const POLICY: &str = r#"{
  "version": "1", "default": "deny",
  "all_tools": { "redact": [{ "detect": "secret" }, { "detect": { "regex": "tiger-[0-9]+" }, "replace": "cat" }] },
  "tools": { "t": {}, "small": { "max_result_bytes": 60 } },
  "resources": { "mem://**": { "action": "allow", "redact": [{ "detect": "secret" }], "max_result_bytes": 400 } },
  "prompts": { "p": { "redact": [{ "detect": "secret" }] } },
  "methods": { "acme/result": "allow" },
  "server_requests": { "sampling": "allow" }
}"#;

/// A server with sessions that answers everything judged with `answer`.
async fn answering(answer: impl Fn() -> Script + Send + Sync + 'static) -> (TestServer, TestGate) {
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result =
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
            let body = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs-0001".to_owned())];
            Script::Json(StatusCode::OK, session, body.to_string().into_bytes())
        }
        "tools/list" => plain(seen, &tools(&["t", "small"])),
        "" if seen.method == Method::GET => answer(),
        "notifications/initialized" | "" => Script::Status(StatusCode::ACCEPTED),
        _ => answer(),
    })
    .await;
    let gate = TestGate::start(&server.url(), POLICY).await;
    (server, gate)
}

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn call() -> String {
    request("tools/call", &json!({ "name": "t" }))
}

fn text_result(text: &str) -> String {
    let result = json!({ "content": [{ "type": "text", "text": text }] });
    json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string()
}

/// Every form in which a secret can stand in an answer: what the server writes, and what arrives.
#[tokio::test]
async fn a_secret_is_gone_in_every_form_and_the_rest_is_as_it_came() {
    let read = request("resources/read", &json!({ "uri": "mem://a/b" }));
    let prompt = request("prompts/get", &json!({ "name": "p" }));
    let task = request("acme/result", &json!({ "of": "1" }));
    let escaped = SECRET.replace("ghp", "\\u0067h\\u0070");
    // The base64 of `key ghp_…`, and of `key [redacted: secret]`.
    let blob = "a2V5IGdocF8wMTIzNDU2Nzg5YWJjZGVmZ2hpakFCQ0RFRkdISUowMTIzNDU=";
    let blob_shown = "a2V5IFtyZWRhY3RlZDogc2VjcmV0XQ==";
    let cases = [
        (
            call(),
            r#"{"jsonrpc":"2.0", "id":1,"result":{"content":[{"type":"text","text":"a § b"}],"n":1.0E2}}"#,
            SECRET,
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a § b"},"\u0041\/"]}}"#,
            &escaped,
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"a":[{"b":"§"}], "c": null}}}"#,
            SECRET,
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"§":1}}}"#,
            SECRET,
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"db_password":"§"}}}"#,
            "correct horse",
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"_meta":{"x":"§"}}}"#,
            SECRET,
            SHOWN,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"§"}]}}"#,
            r#"{\"k\":\"g\\u0068p_0123456789abcdefghijABCDEFGHIJ012345\"}"#,
            r#"{\"k\":\"[redacted: secret]\"}"#,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a § b"}]}}"#,
            "tiger-77",
            "cat",
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource","resource":{"uri":"x://y","blob":"§"}}]}}"#,
            blob,
            blob_shown,
        ),
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"bad key §","data":{"at":"§"}}}"#,
            SECRET,
            SHOWN,
        ),
        (
            read.clone(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"contents":[{"uri":"mem://a/b","text":"§"}]}}"#,
            SECRET,
            SHOWN,
        ),
        (
            read,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"§"}}"#,
            SECRET,
            SHOWN,
        ),
        (
            prompt,
            r#"{"jsonrpc":"2.0","id":1,"result":{"messages":[{"role":"user","content":{"type":"text","text":"§"}}]}}"#,
            SECRET,
            SHOWN,
        ),
        (
            task,
            r#"{"jsonrpc":"2.0","id":1,"result":{"x":"§"}}"#,
            SECRET,
            SHOWN,
        ),
        // Values of JSON one after another, and behind a line that is none.
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"a\": 1}\n§\nend"}]}}"#,
            r#"{\"k\":\"g\\u0068p_0123456789abcdefghijABCDEFGHIJ012345\"}"#,
            r#"{\"k\":\"[redacted: secret]\"}"#,
        ),
        // What nobody asked to be taken out stays.
        (
            call(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"§"}],"token":1.50}}"#,
            "me@example.com",
            "me@example.com",
        ),
    ];
    for (asked, template, written, shown) in cases {
        let body = template.replace('§', written);
        let expected = template.replace('§', shown);
        let whole = body.clone();
        let (_server, gate) = answering(move || Script::json(whole.clone())).await;
        assert_eq!(gate.post(asked.clone()).await.text(), expected);

        // The same in a stream that is cut in the middle of the secret.
        let event = format!("id: 7\ndata: {body}\n\n");
        let middle = event.find(written).unwrap() + written.len() / 2;
        let (_server, gate) =
            answering(move || Script::events(&[&event[..middle], &event[middle..]])).await;
        let answer = gate.post(asked).await;
        assert_eq!(answer.text(), format!("id: 7\ndata: {expected}\n\n"));
    }
}

#[tokio::test]
async fn a_stream_is_clean_from_its_first_event_to_its_last() {
    let note = |text: &str| {
        format!(
            "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"level\":\"info\",\"data\":\"{text}\"}}}}\n\n"
        )
    };
    let progress = |text: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":1.0,\"progress\":1,\"message\":\"{text}\"}}}}\n\n"
        )
    };
    let answer = |text: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}}}\n\n"
        )
    };
    let sent = [
        ": still here\n\n".to_owned(),
        format!(": {SECRET}\n\n"),
        note("nothing"),
        progress(SECRET),
        progress("half"),
        format!("event: {SECRET}\n{}", answer(SECRET)),
    ];
    let arrives = [
        ": still here\n\n".to_owned(),
        ":\n\n".to_owned(),
        note("nothing"),
        progress(SHOWN),
        progress("half"),
        format!("event: message\n{}", answer(SHOWN)),
    ]
    .concat();
    let chunks = sent.concat();
    for step in [1, 7, chunks.len()] {
        let chunks = chunks.clone();
        let (_server, gate) = answering(move || {
            let pieces: Vec<&str> = (0..chunks.len())
                .step_by(step)
                .map(|at| &chunks[at..(at + step).min(chunks.len())])
                .collect();
            Script::events(&pieces)
        })
        .await;
        assert_eq!(
            gate.post(call()).await.text(),
            arrives,
            "in steps of {step}"
        );
        assert_eq!(gate.booked().pop().unwrap().end.outcome, "allow");
    }
}

#[tokio::test]
async fn what_belongs_to_no_call_is_held_to_all_rules() {
    let note = |text: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"data\":\"{text}\"}}}}\n\n"
        )
    };
    let question = |text: &str| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"sampling/createMessage\",\"params\":{{\"systemPrompt\":\"{text}\"}}}}\n\n"
        )
    };
    let sent = [note(&format!("{SECRET} tiger-1")), question(SECRET)].concat();
    let (_server, gate) = answering(move || Script::events(&[&sent])).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let stream = gate
        .send(Method::GET, "/mcp/s", &headers, Bytes::new())
        .await;
    let expected = [note(&format!("{SHOWN} cat")), question(SHOWN)].concat();
    assert_eq!(stream.text(), expected);
}

#[tokio::test]
async fn a_result_that_cannot_be_cleaned_is_withheld() {
    // Under redaction two readings of one result are one too many; and so are two keys made one.
    let other = SECRET.replace('5', "6");
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"x":{"a":1,"a":2}}}"#.to_owned(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":{{"{SECRET}":1,"{other}":2}}}}}}"#),
        // In a text that looks like JSON and is none, and deep within texts.
        text_result(&format!(
            r#"{{"a":1,"a":"{}"}}"#,
            SECRET.replace('g', "\\u0067")
        )),
        text_result(&(0..9).fold(
            format!(r#"["{}"]"#, SECRET.replace('g', "\\u0067")),
            |text, _| json!([text]).to_string(),
        )),
    ] {
        let (_server, gate) = answering(move || Script::json(body.clone())).await;
        let answer = gate.post(call()).await;
        let text = answer.json()["result"]["content"][0]["text"].clone();
        let text = text.as_str().unwrap();
        assert!(
            text.starts_with("[POLICY WITHHELD] the call was executed; "),
            "{text}"
        );
        assert_eq!(answer.decision()["rule"], "/all_tools/redact/0");
        assert!(!answer.text().contains("ghp_"));
        assert_eq!(gate.booked().pop().unwrap().end.outcome, "allow");
    }
}

#[tokio::test]
async fn a_result_beyond_its_limit_is_withheld_and_the_call_is_paid_for() {
    let result = |size: usize| {
        let empty = r#"{"content":[],"x":""}"#;
        format!(
            r#"{{"content":[],"x":"{}"}}"#,
            "y".repeat(size - empty.len())
        )
    };
    let small = request("tools/call", &json!({ "name": "small" }));
    for (member, size, passes) in [
        ("result", 60, true),
        ("result", 61, false),
        ("error", 60, true),
        ("error", 61, false),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"{member}":{}}}"#, result(size));
        let event = format!("data: {body}\n\n");
        for streamed in [false, true] {
            let (whole, event) = (body.clone(), event.clone());
            let (_server, gate) = answering(move || {
                if streamed {
                    Script::events(&[&event])
                } else {
                    Script::json(whole.clone())
                }
            })
            .await;
            let answer = gate.post(small.clone()).await;
            let booked = gate.booked().pop().unwrap();
            assert_eq!(booked.end.outcome, "allow");
            if passes {
                assert!(answer.text().contains(&body), "{}", answer.text());
                continue;
            }
            let told = if streamed {
                answer.events().remove(0)
            } else {
                answer.json()
            };
            let decision = &told["result"]["_meta"]["portreeve/decision"];
            assert_eq!(decision["outcome"], "withheld");
            assert_eq!(decision["rule"], "/tools/small/max_result_bytes");
            assert_eq!(told["result"]["isError"], true);
            let text = told["result"]["content"][0]["text"].as_str().unwrap();
            assert_eq!(
                text,
                "[POLICY WITHHELD] the call was executed; its result of 61 bytes is larger than the 60 that the policy lets through"
            );
            assert!(booked.end.reason.unwrap().contains("61 bytes"));
        }
    }
}

#[tokio::test]
async fn a_notification_is_not_a_way_round_the_limit() {
    let note = format!(
        "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{\"data\":\"{}\"}}}}\n\n",
        "y".repeat(100)
    );
    let answer = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
    let (_server, gate) = answering(move || Script::events(&[&note, answer])).await;
    let small = request("tools/call", &json!({ "name": "small" }));
    assert_eq!(gate.post(small).await.text(), answer);
}

#[tokio::test]
async fn a_resource_beyond_its_limit_is_an_error() {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"contents":[{{"uri":"mem://a","text":"{}"}}]}}}}"#,
        "y".repeat(400)
    );
    let (_server, gate) = answering(move || Script::json(body.clone())).await;
    let answer = gate
        .post(request("resources/read", &json!({ "uri": "mem://a" })))
        .await;
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], 40300);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("[POLICY WITHHELD] the call was executed; ")
    );
    assert_eq!(
        error["data"]["rule"],
        "/resources/mem:~1~1**/max_result_bytes"
    );
}

#[tokio::test]
async fn a_resumed_answer_is_held_to_the_rules_of_its_call() {
    let first =
        "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{SECRET}\"}}]}}}}"
    );
    let rest = format!("id: 2\ndata: {body}\n\n");
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let (_server, gate) =
        answering(
            move || match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => Script::events(&[first]),
                _ => Script::events(&[&rest]),
            },
        )
        .await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    let seen = gate.post_with(&headers, call()).await.event_ids();
    let headers = [headers[0], ("last-event-id", seen[0].as_str())];
    let resumed = gate
        .send(Method::GET, "/mcp/s", &headers, Bytes::new())
        .await;
    assert!(resumed.text().contains(SHOWN), "{}", resumed.text());
    assert!(!resumed.text().contains(SECRET));
}

#[tokio::test]
async fn an_id_whose_answer_can_come_again_is_used_once() {
    let note =
        "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n";
    let (server, gate) = answering(move || Script::events(&[note])).await;
    let session = gate.post(HELLO).await.session();
    let headers = [("mcp-session-id", session.as_str())];
    gate.post_with(&headers, call()).await;
    let sent = server.seen("tools/call").len();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for again in [call(), list.to_owned()] {
        let refused = gate.post_with(&headers, again).await;
        assert!(
            refused.text().contains("its id was used before"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(server.seen("tools/call").len(), sent);
}

/// Whatever way a server finds to say it, and whatever becomes of the answer.
#[tokio::test]
async fn no_way_round_leads_a_secret_to_the_caller_or_into_the_book() {
    let twice =
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":{{"{SECRET}":1,"{SECRET}":2}}}}}}"#);
    let event = |form: &str, body: &str| format!("{form}data: {body}\n\n");
    let fine = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
    let method = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{SECRET}"}}"#);
    let question = format!(r#"{{"jsonrpc":"2.0","id":"{SECRET}","method":"ping"}}"#);
    let answer = event("", fine);
    // The base64 of `key ghp_…`, with a space in it, and after a byte that is no text.
    let spaced = "a2V5IGdocF8wMTIzNDU2 Nzg5YWJjZGVmZ2hpakFCQ0RFRkdISUowMTIzNDU=";
    let binary = "/2tleSBnaHBfMDEyMzQ1Njc4OWFiY2RlZmdoaWpBQkNERUZHSElKMDEyMzQ1";
    let blob = |blob: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"contents":[{{"uri":"x://y","blob":"{blob}"}}]}}}}"#
        )
    };
    for script in [
        twice.clone(),
        blob(spaced),
        blob(binary),
        event(&format!("id: {SECRET}\n"), fine),
        event("", &method) + &answer,
        event("", &question) + &answer,
        event("", &twice),
    ] {
        let streamed = script.starts_with("data") || script.starts_with("id:");
        let (_server, gate) = answering(move || {
            if streamed {
                Script::events(&[&script])
            } else {
                Script::json(script.clone())
            }
        })
        .await;
        let session = gate.post(HELLO).await.session();
        let answer = gate
            .post_with(&[("mcp-session-id", &session)], call())
            .await;
        for hidden in [SECRET, spaced, binary] {
            assert!(!answer.text().contains(hidden), "{}", answer.text());
        }
        let book = format!("{:?}", gate.booked());
        assert!(!book.contains(SECRET), "{book}");
    }
    // A media type is text of the server's, too.
    let (_server, gate) = answering(|| Script::Typed(StatusCode::OK, SECRET, b"x".to_vec())).await;
    let answer = gate.post(call()).await;
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    assert!(!format!("{:?}", gate.booked()).contains(SECRET));
}
