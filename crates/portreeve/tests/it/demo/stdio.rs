//! The real program over its standard streams, and the same code over pipes inside the test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use portreeve::demo::{Options, serve_lines};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, DuplexStream, Lines};

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
    "io.modelcontextprotocol/clientCapabilities":{}}"#;

fn request(id: u32, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = serde_json::from_str(META).unwrap();
    request(id, method, &params)
}

/// A client on a pipe.
struct Pipe {
    to: DuplexStream,
    from: Lines<tokio::io::BufReader<DuplexStream>>,
}

impl Pipe {
    fn start() -> Self {
        let (to, server_reads) = tokio::io::duplex(1 << 16);
        let (server_writes, from) = tokio::io::duplex(1 << 16);
        let options = Options {
            allow_tool_changes: true,
            ..Options::default()
        };
        tokio::spawn(async move {
            let reader = tokio::io::BufReader::new(server_reads);
            serve_lines(reader, server_writes, &options).await.unwrap();
        });
        let from = tokio::io::BufReader::new(from).lines();
        Self { to, from }
    }

    async fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.to.write_all(line.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = self.from.next_line().await.unwrap().expect("a message");
        serde_json::from_str(&line).unwrap()
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.say(message).await;
        self.hear().await
    }
}

#[test]
fn the_program_answers_every_line_and_exits_when_its_input_ends() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portreeve"))
        .args(["demo", "--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let client = json!({ "name": "test", "version": "0" });
    let hello =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let rerun = json!({ "name": "run-rerun", "arguments": { "runId": 1 } });
    for message in [
        request(1, "initialize", &hello),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        request(2, "tools/call", &rerun),
        modern(3, "server/discover", json!({})),
    ] {
        writeln!(input, "{message}").unwrap();
    }
    writeln!(input, "not json").unwrap();
    drop(input);
    let output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers: Vec<Value> = output
        .map(|line| serde_json::from_str(&line.unwrap()).expect("nothing but messages"))
        .collect();
    assert!(child.wait().unwrap().success());
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0]["error"]["code"], -32700);
    assert_eq!(answers[1]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[2]["result"]["structuredContent"]["attempt"], 2);
    assert_eq!(answers[3]["result"]["resultType"], "complete");
}

#[tokio::test]
async fn both_eras_are_served_on_one_channel() {
    let mut pipe = Pipe::start();
    let list = pipe.ask(&request(1, "tools/list", &json!({}))).await;
    assert_eq!(list["result"].get("resultType"), None);
    let list = pipe.ask(&modern(2, "tools/list", json!({}))).await;
    assert_eq!(list["result"]["resultType"], "complete");
    let gone = pipe.ask(&modern(3, "ping", json!({}))).await;
    assert_eq!(gone["error"]["code"], -32601);
    let mut unknown = modern(4, "tools/list", json!({}));
    unknown["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2030-01-01");
    let unknown = pipe.ask(&unknown).await;
    assert_eq!(unknown["error"]["code"], -32022);
    let batch = json!([
        request(5, "ping", &json!({})),
        request(6, "ping", &json!({}))
    ]);
    assert_eq!(pipe.ask(&batch).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn changed_tools_are_told_to_those_who_want_to_know() {
    let mut pipe = Pipe::start();
    pipe.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let acknowledged = pipe.ask(&modern(9, "subscriptions/listen", listen)).await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    let add = json!({ "name": "demo_add_tool", "arguments": { "name": "x", "description": "d" } });
    pipe.say(&request(1, "tools/call", &add)).await;
    let heard = [pipe.hear().await, pipe.hear().await, pipe.hear().await];
    let is_change = |message: &&Value| message["method"] == "notifications/tools/list_changed";
    let changes: Vec<_> = heard.iter().filter(is_change).collect();
    assert_eq!(changes.len(), 2, "{heard:?}");
    let tagged =
        |change: &&&Value| change["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 9;
    assert_eq!(changes.iter().filter(tagged).count(), 1);
}

#[tokio::test]
async fn a_cancelled_request_is_not_answered() {
    let mut pipe = Pipe::start();
    // Run 3 takes an hour; its progress shows that the call is under way.
    let mut wait = json!({ "name": "get_run", "arguments": { "run_id": "3", "wait_ms": 60_000 } });
    wait["_meta"] = json!({ "progressToken": 5 });
    let progress = pipe.ask(&request(1, "tools/call", &wait)).await;
    assert_eq!(progress["method"], "notifications/progress");
    let cancel = json!({ "requestId": 1 });
    pipe.say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel }))
        .await;
    let cancelled = json!({ "name": "cancel_run", "arguments": { "run_id": "3" } });
    // The run comes to rest now: a call that still waited would be answered.
    let answer = pipe.ask(&request(2, "tools/call", &cancelled)).await;
    assert_eq!(answer["id"], 2);
    let answer = pipe.ask(&request(3, "ping", &json!({}))).await;
    assert_eq!(answer["id"], 3);
}
