//! Nothing of a server is left: not when its session ends, not when the gate does, not when the gate
//! is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{HANGS, Scripted, eventually, lives, script, text_of};
use crate::support::TestGate;
use crate::support::gate::{PORTREEVE, TOKEN};

#[tokio::test]
async fn a_family_that_ignores_sigterm_ends_with_its_session() {
    let s = Scripted::over(TestGate::empty().await, "stubborn").await;
    let session = s.session().await;
    assert_eq!(text_of(&s.act(&session, 1, "family").await.json()), "grown");
    let family = s.pids()[1..].to_vec();
    assert_eq!(
        family.len(),
        3,
        "a server, a child, a child in a session of its own"
    );
    assert!(family.iter().all(|pid| lives(*pid)));
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
    eventually("the family is gone", || {
        !family.iter().any(|pid| lives(*pid))
    })
    .await;
    eventually("its place is free", || s.children() == 1).await;
}

#[tokio::test]
async fn a_gate_that_stops_leaves_none() {
    let s = Scripted::start().await;
    let session = s.session().await;
    assert_eq!(text_of(&s.act(&session, 1, "family").await.json()), "grown");
    let pids = s.pids();
    let Scripted { gate, .. } = s;
    let children = gate.node.children().clone();
    let stopped = tokio::time::timeout(HANGS, gate.node.stop()).await;
    stopped.expect("it stops").unwrap();
    assert_eq!(children.count(), 0);
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
}

/// A gate in a process of its own, with the scripted server behind it.
fn gate_process(dir: &std::path::Path, mode: &str) -> (std::process::Child, String) {
    let log = dir.join("server.log");
    let argv = serde_json::to_string(&script(&log, mode)).unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[servers.s]\ncommand = {argv}\n\
         [policies.p]\ninline = '{{\"version\":\"1\",\"default\":\"allow\"}}'\n\
         [[grants]]\nlabel = \"t\"\ntoken = \"{TOKEN}\"\nservers = {{ s = \"p\" }}\n"
    );
    std::fs::write(dir.join("portreeve.toml"), config).unwrap();
    let mut gate = Command::new(PORTREEVE)
        .args(["up", "--config", "portreeve.toml", "--data-dir", "data"])
        .current_dir(dir)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(gate.stdout.take().unwrap()).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once("gateway  ")?.1.to_owned()))
        .expect("it says where it is");
    (gate, url)
}

fn curl(url: &str, session: &str, body: &serde_json::Value) -> (String, String) {
    let output = Command::new("curl")
        .args(["-s", "-i", "-m", "20", &format!("{url}/mcp/s")])
        .args(["-H", &format!("Authorization: Bearer {TOKEN}")])
        .args(["-H", "Content-Type: application/json"])
        .args(["-H", &format!("Mcp-Session-Id: {session}")])
        .args(["-d", &body.to_string()])
        .output()
        .expect("curl is there");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let session = head
        .lines()
        .find_map(|l| l.strip_prefix("mcp-session-id: "));
    (session.unwrap_or_default().to_owned(), body.to_owned())
}

#[tokio::test]
async fn none_is_left_when_the_gate_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut gate, url) = gate_process(dir.path(), "stubborn");
    let (session, _) = curl(&url, "", &super::initialize());
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    curl(&url, &session, &ready);
    let (_, grown) = curl(&url, &session, &super::act(1, "family"));
    assert!(grown.contains("grown"), "{grown}");
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    let pids: Vec<u32> = log
        .lines()
        .filter_map(|line| line.strip_prefix("pid ")?.parse().ok())
        .collect();
    assert_eq!(pids.len(), 4, "the house's and the family: {log}");
    assert!(pids.iter().all(|pid| lives(*pid)));
    gate.kill().unwrap();
    gate.wait().unwrap();
    eventually("everybody is gone", || !pids.iter().any(|pid| lives(*pid))).await;
}

#[tokio::test]
async fn a_server_is_killed_with_its_warden() {
    let s = Scripted::over(TestGate::empty().await, "stubborn").await;
    let session = s.session().await;
    let server = s.pids()[1];
    let status = std::fs::read_to_string(format!("/proc/{server}/status")).unwrap();
    let warden = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .unwrap();
    let killed = Command::new("kill")
        .args(["-9", warden.trim()])
        .status()
        .unwrap();
    assert!(killed.success());
    eventually("the server is gone", || !lives(server)).await;
    eventually("the gate knows", || s.children() == 1).await;
    assert_eq!(s.act(&session, 1, "x").await.status, 404);
}

#[tokio::test]
async fn an_idle_process_is_ended_and_started_again_when_needed() {
    let gate = TestGate::planned(|plan| plan.children.idle = Duration::from_millis(50)).await;
    let s = Scripted::over(gate, "").await;
    eventually("nobody needs it", || s.children() == 0).await;
    let call = super::act(1, "count").to_string();
    assert_eq!(text_of(&s.gate.post(call).await.json()), "1");
    eventually("nobody needs it again", || s.children() == 0).await;
    assert!(s.sent("\"initialize\"") >= 2);
}

/// What this process holds of the system.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The short form of `tests/stdio/cycles`, which does 10,000.
#[tokio::test]
async fn cycles_leave_nothing_behind() {
    let s = Scripted::start().await;
    s.session().await;
    eventually("one house, one session", || s.children() == 2).await;
    let before = open_files();
    for _ in 0..50 {
        let sessions = [s.session(), s.session(), s.session(), s.session()];
        for session in futures_util::future::join_all(sessions).await {
            let headers = [("mcp-session-id", session.as_str())];
            let deleted = s.gate.send(Method::DELETE, "/mcp/s", &headers, "").await;
            assert_eq!(deleted.status, 200);
        }
    }
    eventually("all are reaped", || s.children() == 2).await;
    let pids = s.pids();
    assert_eq!(pids.len(), 202);
    assert_eq!(pids.iter().filter(|pid| lives(**pid)).count(), 2);
    // Connections to the gate come and go in the same process.
    eventually("no file is left open", || open_files() <= before + 16).await;
}
