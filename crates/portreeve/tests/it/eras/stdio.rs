//! Translation where the server is a process.

use http::Method;
use portreeve::store::model::{NewTools, Target};
use serde_json::{Value, json};

use super::downward::{Client, retry};
use super::{Stream, request};
use crate::stdio::Scripted;
use crate::support::TestGate;
use crate::support::gate::TOKEN;

/// A server of the modern era alone, that asks for a name when it is told to.
const MODERN_ONLY: &str = r#"while IFS= read -r line; do
  printf '%s\n' "$line" >>"$0"
  id=$(printf '%s\n' "$line" | sed -n 's/^.*"id" *: *\("[^"]*"\|[0-9]*\) *[,}].*$/\1/p')
  result() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$1"; }
  case $line in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32022,"message":"no","data":{"supported":["2026-07-28"]}}}\n' "$id" ;;
    *'"method":"server/discover"'*)
      result '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}' ;;
    *'"method":"tools/list"'*)
      result '{"resultType":"complete","tools":[{"name":"act","inputSchema":{"type":"object"}}],"ttlMs":0,"cacheScope":"public"}' ;;
    *'"inputResponses"'*)
      result '{"resultType":"complete","content":[{"type":"text","text":"thanks"}]}' ;;
    *'"do":"ask"'*)
      result '{"resultType":"input_required","requestState":"mine","inputRequests":{"who":{"method":"roots/list"}}}' ;;
    *'"id"'*) result '{"resultType":"complete","content":[{"type":"text","text":"fine"}]}' ;;
  esac
done"#;

const POLICY: &str = r#"{ "version": "1", "default": "deny", "server_requests": { "roots": "allow" },
  "tools": { "act": { "limits": [{ "counter": "c", "window": "hour", "max": 2 }] } } }"#;

fn act(what: &str) -> Value {
    json!({ "name": "act", "arguments": { "do": what } })
}

#[tokio::test]
async fn a_modern_client_speaks_with_a_process_of_the_older_era() {
    let server = Scripted::start().await;
    server.gate.put_policy("p", POLICY).await;
    let client = Client::new(&server.gate, json!({ "roots": {} }));
    let fine = client.ask(1, "tools/call", act("anything")).await.json();
    assert_eq!(fine["result"]["resultType"], "complete", "{fine}");
    assert_eq!(fine["result"]["content"][0]["text"], "fine");

    let needed = client.ask(2, "tools/call", act("ask")).await.json();
    let required = &needed["result"];
    assert_eq!(required["resultType"], "input_required", "{needed}");
    let params = retry(&act("ask"), required, &json!({ "roots": [] }));
    let heard = client.ask(3, "tools/call", params).await.json();
    assert_eq!(heard["result"]["content"][0]["text"], "heard", "{heard}");
    assert_eq!(
        server.sent(r#""do":"ask""#),
        1,
        "the call waited for the answer"
    );

    // Two calls were charged, for all the rounds that one took.
    let third = client.ask(4, "tools/call", act("anything")).await;
    assert!(third.text().contains("[POLICY DENIED]"), "{}", third.text());
}

#[tokio::test]
async fn an_old_client_speaks_with_a_process_of_the_modern_era() {
    let gate = TestGate::empty().await;
    let log = gate.dir.path().join("server.log");
    let argv = ["/bin/sh", "-c", MODERN_ONLY, &log.display().to_string()];
    let target = Target::Command {
        argv: argv.map(str::to_owned).to_vec(),
        env: Vec::new(),
    };
    gate.add_target("s", target, NewTools::Quarantine).await;
    gate.put_policy("p", POLICY).await;
    gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
    gate.node.gate.take_first_lists().await;

    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": { "roots": {} },
        "clientInfo": { "name": "old", "version": "1" } });
    let opened = gate
        .post(request(0, "initialize", &hello).to_string())
        .await;
    assert_eq!(
        opened.json()["result"]["protocolVersion"],
        "2025-06-18",
        "{}",
        opened.text()
    );
    let session = opened.session();
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-06-18"),
    ];
    let listed = gate
        .post_with(&headers, request(1, "tools/list", &json!({})).to_string())
        .await;
    assert_eq!(
        listed.json()["result"]["tools"][0]["name"],
        "act",
        "{}",
        listed.text()
    );

    let call = request(2, "tools/call", &act("ask"));
    let mut answer = Stream::open(&gate, Method::POST, &headers, &call).await;
    let question = answer.next().await.expect("a question");
    assert_eq!(question["method"], "roots/list", "{question}");
    let said = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
    let taken = gate.post_with(&headers, said.to_string()).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    let answered = answer.next().await.expect("an answer");
    assert_eq!(
        answered["result"]["content"][0]["text"], "thanks",
        "{answered}"
    );
    let sent = std::fs::read_to_string(&log).unwrap();
    assert!(sent.contains(r#""requestState":"mine""#), "{sent}");

    // One call was charged so far.
    for (id, passes) in [(3, true), (4, false)] {
        let call = request(id, "tools/call", &act("anything"));
        let answer = gate.post_with(&headers, call.to_string()).await;
        assert_eq!(
            !answer.text().contains("[POLICY DENIED]"),
            passes,
            "{}",
            answer.text()
        );
    }
}
