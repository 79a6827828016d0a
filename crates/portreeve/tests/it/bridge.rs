//! `portreeve stdio` and `portreeve wrap`, as a client on lines sees them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use portreeve::store::model::NewTools;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stdio::{ALLOWED, HANGS, Scripted, act, demo, eventually, initialize, lives, text_of};
use crate::support::TestGate;
use crate::support::gate::{PORTREEVE, TOKEN};

/// A client on the other side of the program's standard streams.
struct Client {
    process: Child,
    to: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

fn lines_of(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (to, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Client {
    fn start(mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            to: process.stdin.take(),
            lines: lines_of(process.stdout.take().unwrap()),
            errors: lines_of(process.stderr.take().unwrap()),
            process,
        }
    }

    fn say(&mut self, message: &Value) {
        let mut to = self.to.as_ref().unwrap();
        writeln!(to, "{message}").unwrap();
    }

    fn hear(&self) -> Value {
        let line = self.lines.recv_timeout(HANGS).expect("a message");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.say(message);
        let answer = self.hear();
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    fn shake_hands(&mut self) {
        let answer = self.ask(&initialize());
        assert!(answer["result"]["protocolVersion"].is_string(), "{answer}");
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    /// Closes its side; the exit code and what was said on stderr.
    fn end(mut self) -> (i32, String) {
        drop(self.to.take());
        let code = self
            .process
            .wait()
            .unwrap()
            .code()
            .expect("it ends by itself");
        let rest: Vec<String> = self.lines.iter().collect();
        assert!(rest.is_empty(), "more was said: {rest:?}");
        (code, self.errors.iter().collect::<Vec<String>>().join("\n"))
    }
}

fn portreeve(arguments: &[&str]) -> Command {
    let mut command = Command::new(PORTREEVE);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    command
}

fn stdio_to(gate: &TestGate, token: &str) -> Command {
    let url = format!("http://{}", gate.node.address());
    let mut command = portreeve(&["stdio", "--server", "s", "--url", &url]);
    command.env("PORTREEVE_TOKEN", token);
    command
}

fn list_runs(id: u32) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": "list_runs", "arguments": {} } })
}

fn modern(mut message: Value) -> Value {
    let meta = &mut message["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "t", "version": "0" });
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_lines_uses_a_server_behind_a_gateway() {
    let gate = TestGate::empty().await;
    gate.add_target("s", demo(), NewTools::Quarantine).await;
    let policy = r#"{ "version": "1", "default": "allow", "hide": ["delete_run"] }"#;
    gate.put_policy("p", policy).await;
    gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
    let mut client = Client::start(stdio_to(&gate, TOKEN));
    client.shake_hands();
    let listed = client.ask(&json!({ "jsonrpc": "2.0", "id": "l", "method": "tools/list" }));
    let names = listed["result"]["tools"].to_string();
    assert!(
        names.contains("list_runs") && !names.contains("delete_run"),
        "{names}"
    );
    assert!(client.ask(&list_runs(1))["result"]["content"].is_array());
    // Both eras on one channel.
    let discovered = client.ask(&modern(
        json!({ "jsonrpc": "2.0", "id": 2, "method": "server/discover", "params": {} }),
    ));
    assert!(
        discovered["result"]["supportedVersions"].is_array(),
        "{discovered}"
    );
    assert!(client.ask(&modern(list_runs(3)))["result"]["content"].is_array());
    let (code, errors) = client.end();
    assert_eq!((code, errors.as_str()), (0, ""));
    eventually("the session was ended", || {
        gate.node.children().count() <= 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_run_side_by_side_and_a_cancelled_one_is_not_answered() {
    let s = Scripted::start().await;
    let mut client = Client::start(stdio_to(&s.gate, TOKEN));
    client.shake_hands();
    client.say(&act(1, "hang"));
    eventually("it hangs", || s.sent("\"hang\"") == 1).await;
    assert_eq!(text_of(&client.ask(&act(2, "x"))), "fine");
    client.say(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
                        "params": { "requestId": 1 } }),
    );
    assert_eq!(text_of(&client.ask(&act(3, "x"))), "fine");
    assert_eq!(s.sent("notifications/cancelled"), 1);
    // What the server asks reaches the client, and its answer the server.
    client.say(&act(4, "ask"));
    let question = client.hear();
    assert_eq!(question["method"], "roots/list");
    let roots = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
    assert_eq!(
        text_of(&{
            client.say(&roots);
            client.hear()
        }),
        "heard"
    );
    // What it says unasked comes over the free stream.
    client.say(&act(5, "unasked"));
    let said = [client.hear(), client.hear()];
    assert!(
        said.iter()
            .any(|m| m["method"] == "notifications/resources/list_changed")
    );
    let (code, _) = client.end();
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_refuses_or_is_not_there_is_told_to_client_and_person() {
    let s = Scripted::start().await;
    let mut client = Client::start(stdio_to(&s.gate, "not-a-token-0123456789-abcdefghijklmnop"));
    let refused = client.ask(&initialize());
    assert_eq!(refused["error"]["code"], 40100, "{refused}");
    let (code, errors) = client.end();
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("refuses (HTTP 401)"), "{errors}");

    let mut nowhere = portreeve(&["stdio", "--server", "s", "--url", "http://127.0.0.1:9"]);
    nowhere.env("PORTREEVE_TOKEN", TOKEN);
    let mut client = Client::start(nowhere);
    let refused = client.ask(&initialize());
    let words = refused["error"]["message"].as_str().unwrap();
    assert!(
        words.contains("http://127.0.0.1:9/mcp/s cannot be reached"),
        "{words}"
    );
    let (code, errors) = client.end();
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("cannot be reached"), "{errors}");

    let without = portreeve(&["stdio", "--server", "s"]).output().unwrap();
    assert_eq!(without.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(errors.contains("PORTREEVE_TOKEN is not set"), "{errors}");
    let wrong = portreeve(&["stdio", "--server", "s", "--url", "gate"])
        .env("PORTREEVE_TOKEN", TOKEN)
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_url_will_do_and_a_wrong_address_does_not_end_well() {
    let s = Scripted::start().await;
    let at = |path: &str| {
        let url = format!("http://{}{path}", s.gate.node.address());
        let mut command = portreeve(&["stdio", "--url", &url]);
        command.env("PORTREEVE_TOKEN", TOKEN);
        command
    };
    let mut client = Client::start(at("/mcp/s"));
    client.shake_hands();
    assert_eq!(client.end(), (0, String::new()));
    // The gate is not there, but at the root.
    let mut client = Client::start(at("/elsewhere/mcp/s"));
    assert!(client.ask(&initialize())["error"].is_object());
    let (code, errors) = client.end();
    assert_eq!(code, 1, "{errors}");
    assert!(
        errors.contains("refuses (HTTP 404): nothing is here"),
        "{errors}"
    );

    for (status, end) in [("404 Not Found", 3), ("200 OK", 3), ("403 Forbidden", 1)] {
        let url = foreign_service(status).await;
        let mut command = portreeve(&["stdio", "--server", "s", "--url", &url]);
        command.env("PORTREEVE_TOKEN", TOKEN);
        let mut client = Client::start(command);
        client.say(&initialize());
        let answer = client.hear();
        assert_eq!(answer["id"], initialize()["id"]);
        assert!(answer["error"].is_object(), "{answer}");
        assert!(answer.get("detail").is_none(), "{answer}");
        let (code, errors) = client.end();
        assert_eq!(code, end, "{errors}");
        assert!(errors.contains("that is no gateway"), "{errors}");
    }
}

/// Something else that answers in JSON; its URL.
async fn foreign_service(status: &'static str) -> String {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    tokio::spawn(async move {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\
             Connection: close\r\n\r\n{{\"detail\":\"Not Found\"}}"
        );
        while let Ok((mut stream, _)) = other.accept().await {
            let mut head = [0; 4_096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut head).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_gateway_forgot_is_opened_again() {
    let s = Scripted::start().await;
    let mut client = Client::start(stdio_to(&s.gate, TOKEN));
    client.shake_hands();
    assert_eq!(text_of(&client.ask(&act(1, "count"))), "1");
    // The server dies, and with it the session.
    let died = client.ask(&act(2, "die"));
    assert!(
        died["error"]["message"]
            .as_str()
            .unwrap()
            .contains("exit code 7"),
        "{died}"
    );
    assert_eq!(
        text_of(&client.ask(&act(3, "count"))),
        "1",
        "another process, the same client"
    );
    let (code, _) = client.end();
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_piped_in_at_once_is_answered_before_the_end() {
    let s = Scripted::start().await;
    let mut client = Client::start(stdio_to(&s.gate, TOKEN));
    client.shake_hands();
    for id in 1..=20 {
        client.say(&act(id, "x"));
    }
    drop(client.to.take());
    let mut ids: Vec<u64> = (0..20)
        .map(|_| client.hear()["id"].as_u64().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=20).collect::<Vec<u64>>());
    assert_eq!(client.end().0, 0);
}

fn wrap(dir: &Path, arguments: &[&str], server: &[&str]) -> Command {
    let mut command = portreeve(&["wrap"]);
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(dir.join("data"))
        .arg("--")
        .args(server)
        .current_dir(dir);
    command
}

const DEMO: &[&str] = &[PORTREEVE, "demo", "--stdio"];

#[test]
fn a_wrapped_server_is_held_to_the_policy_and_booked() {
    let dir = TempDir::new().unwrap();
    let policy = r#"{ "version": "1", "default": "deny", "tools": {
        "list_runs": { "limits": [{ "counter": "c", "window": "hour", "max": 2 }] } } }"#;
    std::fs::write(dir.path().join("p.json"), policy).unwrap();
    let start = || wrap(dir.path(), &["--policy", "p.json", "--label", "ci"], DEMO);
    let mut client = Client::start(start());
    client.shake_hands();
    let listed = client.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }));
    assert_eq!(
        listed["result"]["tools"].as_array().unwrap().len(),
        1,
        "{listed}"
    );
    assert!(client.ask(&list_runs(2))["result"]["isError"].is_null());
    assert!(client.ask(&modern(list_runs(3)))["result"]["content"].is_array());
    let refused = client.ask(&list_runs(4));
    assert!(
        text_of(&refused).starts_with("[POLICY DENIED]"),
        "{refused}"
    );
    // Another with the same label is told, one without a label has a place of its own.
    let second = start().stdin(Stdio::null()).output().unwrap();
    assert_eq!(second.status.code(), Some(3));
    let errors = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        errors.contains("a wrap labelled ci runs already"),
        "{errors}"
    );
    let unnamed = || Client::start(wrap(dir.path(), &["--policy", "p.json"], DEMO));
    let mut others = [unnamed(), unnamed()];
    for other in &mut others {
        other.shake_hands();
        assert!(other.ask(&list_runs(1))["result"]["content"].is_array());
    }
    for other in others {
        assert_eq!(other.end().0, 0);
    }
    assert_eq!(client.end().0, 0);
    // The counter outlives the process: its own ledger has the calls.
    let mut again = Client::start(start());
    again.shake_hands();
    assert!(text_of(&again.ask(&list_runs(1))).starts_with("[POLICY DENIED]"));
    assert_eq!(again.end().0, 0);
    let data = dir.path().join("data/wraps/ci").display().to_string();
    let verified = portreeve(&["ledger", "verify", "--data-dir", &data])
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let query = [
        "ledger",
        "query",
        "--tool",
        "list_runs",
        "--json",
        "--data-dir",
        &data,
    ];
    let booked = portreeve(&query).output().unwrap();
    let booked: Value = serde_json::from_slice(&booked.stdout).unwrap();
    assert_eq!(booked.as_array().unwrap().len(), 4, "{booked}");
}

#[test]
fn a_wrap_without_a_policy_says_how_to_make_one() {
    let dir = TempDir::new().unwrap();
    let said = wrap(dir.path(), &[], DEMO).output().unwrap();
    assert_eq!(said.status.code(), Some(2));
    assert!(said.stdout.is_empty());
    let text = String::from_utf8(said.stderr).unwrap();
    let begin = text.find("\n{").expect("a policy");
    let policy = &text[begin..];
    assert!(policy.contains("\"list_runs\": {}"), "{text}");
    portreeve_policy::compile(policy.trim().as_bytes()).expect("a policy that compiles");
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_wrap_says_what_is_wrong_before_it_starts_anything() {
    let dir = TempDir::new().unwrap();
    std::fs::write(
        dir.path().join("bad.json"),
        r#"{ "version": "1", "defualt": "deny" }"#,
    )
    .unwrap();
    let said = wrap(dir.path(), &["--policy", "bad.json"], DEMO)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("defualt"),
        "{said:?}"
    );
    let said = wrap(dir.path(), &["--policy", "none.json"], DEMO)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(3));
    let said = wrap(dir.path(), &["--policy", "bad.json"], &["no-such-server"])
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(3));
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("in any directory of PATH"),
        "{said:?}"
    );
    assert!(!dir.path().join("data").exists());
}

#[tokio::test]
async fn a_killed_wrap_leaves_no_server() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("p.json"), ALLOWED).unwrap();
    let log = dir.path().join("server.log");
    let script = crate::stdio::script(&log, "stubborn");
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    let mut client = Client::start(wrap(dir.path(), &["--policy", "p.json"], &script));
    client.shake_hands();
    assert_eq!(text_of(&client.ask(&act(1, "family"))), "grown");
    let log = std::fs::read_to_string(log).unwrap();
    let pids = log
        .lines()
        .filter_map(|line| line.strip_prefix("pid ")?.parse().ok());
    let pids: Vec<u32> = pids.collect();
    assert!(
        pids.len() >= 3 && pids.iter().all(|pid| lives(*pid)),
        "{log}"
    );
    client.process.kill().unwrap();
    client.process.wait().unwrap();
    eventually("nothing is left", || !pids.iter().any(|pid| lives(*pid))).await;
}

#[test]
fn a_wrapped_server_is_given_what_is_declared() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("p.json"), ALLOWED).unwrap();
    let script = crate::stdio::script(&dir.path().join("server.log"), "");
    let script: Vec<&str> = script.iter().map(String::as_str).collect();
    let declared = ["--policy", "p.json", "--env", "MINE", "--env", "OTHER=x"];
    let mut command = wrap(dir.path(), &declared, &script);
    command.env("MINE", "passed-on").env("NOT_MINE", "kept");
    let mut client = Client::start(command);
    client.shake_hands();
    let answer = client.ask(&act(1, "environment"));
    let text = text_of(&answer);
    assert!(
        text.contains("MINE=passed-on;") && text.contains("OTHER=x;"),
        "{text}"
    );
    assert!(!text.contains("NOT_MINE"), "{text}");
    assert_eq!(client.end().0, 0);
}
